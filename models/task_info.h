#pragma once
// What a model's file says about its use: the task's kind and the constants of its front end.

#include <string>
#include <vector>

#include "engine/heed.h"
#include "models/audio/audio_frontend.h"
#include "models/decode/whisper_rules.h"
#include "models/image/image_preprocess.h"

namespace heed {

struct AudioTask {
  AudioFrontendConfig frontend;     // kind "pcm": the model takes the waveform itself
  uint32_t window_hop_samples = 0;  // of sliding windows; 0: one window
};

/// How a stream's answers become events; the defaults where the task says nothing.
struct DetectionTask {
  uint32_t stream_hop_samples = 0;  // 0: a tenth of the clip
  float threshold = 0.8f;
  uint32_t smoothing_ms = 400, refractory_ms = 800, min_speech_ms = 250, min_silence_ms = 300;
  std::vector<std::string> ignored;
};

/// What a model that writes speech down has beside its graphs.
struct SpeechTask {
  WhisperTokens tokens;
  std::vector<std::string> languages;  // codes, of the tokens from first_language on
  int32_t max_initial_timestamp = 50;
  std::vector<int32_t> suppressed, begin_suppressed;
  std::vector<uint32_t> alignment_heads;  // layer, head, ..
};

/// What the outputs of an object detector mean.
struct ObjectTask {
  static constexpr int32_t kLast = -1;
  const char* scores_output = "";
  const char* boxes_output = "";
  bool sigmoid = false;
  int32_t background = kLast;  // the class that stands for nothing; below kLast: there is none
  bool centered = true;        // boxes are centre and size, not two corners
  float threshold = 0.5f;
  float overlap_max = 0;  // 0: any
};

struct SegmentationTask {
  bool classes_last = false;
};

/// "" where the file carries no task.
std::string task_kind(const heed_model& model);
bool output_is_probability(const heed_model& model);

/// Whether the task says how texts become tokens.
bool text_task(const heed_model& model);
/// Rows that the model's caches of keys and values hold; 0 where it has none.
size_t cache_capacity(const heed_model& model);

/// False when the task has no such constants.
bool audio_task(const heed_model& model, AudioTask* out);
bool speech_task(const heed_model& model, SpeechTask* out);
DetectionTask detection_task(const heed_model& model);
bool has_image_task(const heed_model& model);

/// HEED_NOT_FOUND when the task has no such constants, HEED_BAD_MODEL when there are too many.
Status image_task(const heed_model& model, ImagePreprocessConfig* out, heed_diagnostic* diagnostic);

Status object_task(const heed_model& model, ObjectTask* out, heed_diagnostic* diagnostic);
Status segmentation_task(const heed_model& model, SegmentationTask* out,
                         heed_diagnostic* diagnostic);

}  // namespace heed
