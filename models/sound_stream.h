#pragma once
// A live sound to events: keywords as they are said, speech as it begins and ends. The model hears
// windows that overlap (a clip every hop); where its front end allows, only the frames that a hop
// adds are computed. Nothing is allocated after create(), which may be given the memory.

#include <memory_resource>
#include <string>
#include <vector>

#include "engine/heed.h"
#include "models/audio/audio_frontend.h"
#include "models/decode/sound_events.h"

namespace heed {

enum class SoundEventKind : uint8_t { none, keyword, speech_begin, speech_end };

struct SoundEvent {
  SoundEventKind kind = SoundEventKind::none;
  int32_t label = -1;  // index of the keyword or of speech
  float score = 0;     // keyword: its average probability; speech_end: that of the segment
  int64_t begin = 0;   // samples since the stream began: the window in which the keyword was heard,
  int64_t end = 0;     // or the segment (its end is 0 in speech_begin)
};

class SoundStream {
 public:
  /// All that lives as long as this object, the session too, comes from `memory`. A resource that
  /// throws std::bad_alloc makes create() throw it.
  explicit SoundStream(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : memory_(memory),
        frontend_(memory),
        keywords_(memory),
        wave_(memory),
        rows_(memory),
        probabilities_(memory) {}
  ~SoundStream();
  SoundStream(const SoundStream&) = delete;
  SoundStream& operator=(const SoundStream&) = delete;

  /// `model` must carry a task of kind keyword_spotting or voice_activity and outlive this object.
  /// Returns false with a sentence in `error`.
  bool create(const heed_model* model, const heed_options& options, std::string* error);

  uint32_t sample_rate_hz() const { return rate_hz_; }
  size_t clip_samples() const { return clip_; }
  size_t hop_samples() const { return hop_; }
  const char* label(int32_t index) const;
  heed_session* session() const { return session_; }

  /// Takes samples up to the end of the next window, moves *samples and *count on, and, when a
  /// window is complete, runs the model and says in `event` what was heard (kind none: nothing).
  /// Call it until *count is 0. False where the run failed: see heed_diagnostic.
  bool listen(const float** samples, size_t* count, SoundEvent* event, heed_diagnostic* diagnostic);
  /// The stream is over: speech that goes on ends here.
  void finish(SoundEvent* event);
  /// As after create().
  void reset();

  int64_t windows() const { return windows_; }

 private:
  bool create_frontend(const AudioFrontendConfig& config, std::string* error);
  bool create_session(const heed_options& options, std::string* error);
  bool create_detector(std::string* error);
  void fill_input();
  void say(SoundEvent* event);
  void say_speech(SpeechSegmenter::Change change, SoundEvent* event) const;

  std::pmr::memory_resource* memory_;
  const heed_model* model_ = nullptr;
  heed_session* session_ = nullptr;
  void* session_memory_ = nullptr;
  size_t session_bytes_ = 0;
  heed_tensor input_{}, output_{};
  AudioFrontend frontend_;
  KeywordDetector keywords_;
  SpeechSegmenter speech_;
  std::pmr::vector<float> wave_;  // the last clip_ samples
  std::pmr::vector<float> rows_;  // their features, [frames][features]
  std::pmr::vector<float> probabilities_;
  bool waveform_ = false, probability_ = false, voice_ = false, incremental_ = false;
  uint32_t rate_hz_ = 0;
  size_t clip_ = 0, hop_ = 0, filled_ = 0;  // samples of the clip to come that are there
  int64_t windows_ = 0;
  int32_t speech_label_ = -1;
};

}  // namespace heed
