#include "models/decode/sound_events.h"

#include <algorithm>

namespace heed {

void KeywordDetector::create(size_t classes, size_t smoothing, size_t refractory, float threshold) {
  classes_ = classes;
  smoothing_ = smoothing;
  refractory_ = refractory;
  threshold_ = threshold;
  history_.assign(classes * smoothing, 0.0f);
  mean_.assign(classes, 0.0f);
  ignored_.assign(classes, 0);
  at_ = deaf_ = 0;
  held_ = -1;
}

void KeywordDetector::reset() {
  std::fill(history_.begin(), history_.end(), 0.0f);
  std::fill(mean_.begin(), mean_.end(), 0.0f);
  at_ = deaf_ = 0;
  held_ = -1;
}

int32_t KeywordDetector::add(const float* probabilities) {
  std::copy_n(probabilities, classes_, history_.begin() + static_cast<ptrdiff_t>(at_ * classes_));
  at_ = (at_ + 1) % smoothing_;
  size_t top = 0;
  for (size_t c = 0; c < classes_; ++c) {
    // Summed anew each time: a running sum would drift over the hours of a stream.
    float sum = 0;
    for (size_t w = 0; w < smoothing_; ++w) sum += history_[w * classes_ + c];
    mean_[c] = sum / static_cast<float>(smoothing_);
    if (mean_[c] > mean_[top]) top = c;
  }
  if (held_ >= 0 && average(held_) < threshold_) held_ = -1;
  if (deaf_ > 0) {
    --deaf_;
    return -1;
  }
  const int32_t label = static_cast<int32_t>(top);
  if (ignored_[top] != 0 || mean_[top] < threshold_ || label == held_) return -1;
  held_ = label;
  deaf_ = refractory_;
  return label;
}

void SpeechSegmenter::create(size_t min_speech, size_t min_silence, float threshold,
                             float release) {
  min_speech_ = min_speech;
  min_silence_ = min_silence;
  threshold_ = threshold;
  release_ = release;
  reset();
}

void SpeechSegmenter::reset() {
  run_ = 0;
  sum_ = 0;
  window_ = first_ = last_ = counted_ = 0;
  speaking_ = false;
}

SpeechSegmenter::Change SpeechSegmenter::add(float probability) {
  const int64_t window = window_++;
  if (!speaking_) {
    if (probability < threshold_) {
      run_ = 0;
      return Change::none;
    }
    if (run_++ == 0) {
      first_ = window;
      sum_ = 0;
      counted_ = 0;
    }
    sum_ += probability;
    ++counted_;
    last_ = window;
    if (run_ < min_speech_) return Change::none;
    speaking_ = true;
    run_ = 0;
    return Change::begin;
  }
  sum_ += probability;
  ++counted_;
  if (probability >= threshold_) last_ = window;
  run_ = probability < release_ ? run_ + 1 : 0;
  return run_ >= min_silence_ ? finish() : Change::none;
}

SpeechSegmenter::Change SpeechSegmenter::finish() {
  run_ = 0;
  if (!speaking_) return Change::none;
  speaking_ = false;
  return Change::end;
}

}  // namespace heed
