#pragma once
// Sounds to answers: keyword spotting (one answer among labels) and voice activity (probability of
// speech), over one clip or over windows of a longer sound.

#include <string>
#include <vector>

#include "models/audio/audio_frontend.h"
#include "models/task_session.h"

namespace heed {

class SoundClassifier {
 public:
  /// `model` must carry a task with a front end and outlive this object. Returns false with a
  /// sentence in `error`.
  bool create(const heed_model* model, const heed_options& options, const std::string& entry_point,
              std::string* error);

  uint32_t sample_rate_hz() const { return rate_hz_; }
  size_t clip_samples() const { return clip_; }
  size_t hop_samples() const {
    return hop_;
  }  // from window to window; the clip's length where there is one window
  size_t classes() const { return classes_; }

  /// Windows that `samples` samples make: at least one, shorter sounds are padded with zeros.
  size_t windows(size_t samples) const;

  /// Runs the model on the window that begins at samples[0]; `count` samples are there, the rest of
  /// the window is silence. Allocates nothing unless it fails.
  bool listen(const float* samples, size_t count, std::string* error);

  /// The `classes()` probabilities of the window heard last.
  void probabilities(float* out) const;

  /// The features of the last window, [frames][features], for drawing; empty for a model that takes
  /// the waveform itself.
  const std::vector<float>& features() const { return rows_; }
  int32_t frames() const { return waveform_ ? 0 : frontend_.frames(); }

  const TaskSession& task() const { return task_; }

 private:
  TaskSession task_;
  AudioFrontend frontend_;
  bool waveform_ = false;       // the model takes samples
  bool probabilities_ = false;  // its output needs no softmax
  uint32_t rate_hz_ = 0;
  size_t clip_ = 0, hop_ = 0, classes_ = 0;
  std::vector<float> rows_;
};

}  // namespace heed
