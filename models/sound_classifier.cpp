#include "models/sound_classifier.h"

#include <algorithm>
#include <cstring>

#include "models/task_info.h"
#include "ops/isa.h"

namespace heed {

bool SoundClassifier::create(const heed_model* model, const heed_options& options,
                             const std::string& entry_point, std::string* error) {
  AudioTask audio;
  if (!audio_task(*model, &audio)) {
    *error =
        "the model says nothing about sounds: give it a task with an audio front end when "
        "converting";
    return false;
  }
  if (!task_.create(model, options, entry_point, error)) return false;
  rate_hz_ = audio.frontend.sample_rate_hz;
  clip_ = audio.frontend.clip_samples;
  hop_ = audio.window_hop_samples == 0 ? clip_ : audio.window_hop_samples;
  probabilities_ = output_is_probability(*model);
  waveform_ = audio.frontend.kind == "pcm";
  size_t wanted = clip_;
  if (!waveform_) {
    IsaSet isa = detect_isa();
    parse_isa(heed_session_isa(task_.session()), &isa);
    if (!frontend_.create(audio.frontend, isa, error)) return false;
    wanted = static_cast<size_t>(frontend_.frames()) * static_cast<size_t>(frontend_.features());
  }
  if (clip_ == 0 || rate_hz_ == 0) {
    *error = "the model's task names no clip length or no sample rate";
    return false;
  }
  if (!task_.input_is_floats(wanted)) {
    *error = "the model's front end makes " + std::to_string(wanted) + " values, but its input '" +
             task_.input().name + "' takes " + std::to_string(task_.input().bytes / sizeof(float));
    return false;
  }
  if (!waveform_) rows_.resize(wanted);
  const heed_tensor& output = task_.outputs()[0];
  classes_ = output.bytes / sizeof(float);
  if (output.type != HEED_F32) {
    *error = std::string("the model's output '") + output.name + "' does not hold float32 values";
    return false;
  }
  return true;
}

size_t SoundClassifier::windows(size_t samples) const {
  return samples <= clip_ ? 1 : (samples - clip_) / hop_ + 1;
}

bool SoundClassifier::listen(const float* samples, size_t count, std::string* error) {
  float* input = static_cast<float*>(task_.input().data);
  if (waveform_) {
    const size_t taken = std::min(count, clip_);
    std::copy(samples, samples + taken, input);
    std::fill(input + taken, input + clip_, 0.0f);
  } else {
    frontend_.compute(samples, count, rows_.data());
    std::copy(rows_.begin(), rows_.end(), input);
  }
  return task_.run(error);
}

void SoundClassifier::probabilities(float* out) const {
  std::memcpy(out, task_.outputs()[0].data, classes_ * sizeof(float));
  if (!probabilities_) softmax_in_place(out, classes_);
}

}  // namespace heed
