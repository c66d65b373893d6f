#pragma once
// From the probabilities of overlapping windows of a stream to events: a keyword was said; speech
// began, speech ended. Logic alone, counted in windows; nothing is allocated after create().

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <vector>

namespace heed {

/// Keywords. A window's probabilities are averaged with those of the `smoothing - 1` before it
/// (windows before the first count as zeros). A keyword is heard when the most probable label is
/// none of the ignored ones and its average reaches `threshold`. Then all are deaf for `refractory`
/// windows, and the same keyword until its average has been below the threshold.
class KeywordDetector {
 public:
  explicit KeywordDetector(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : history_(memory), mean_(memory), ignored_(memory) {}

  /// `classes` and `smoothing` are at least 1. Labels are ignored one by one afterwards.
  void create(size_t classes, size_t smoothing, size_t refractory, float threshold);
  void ignore(size_t label) { ignored_[label] = 1; }
  void reset();

  /// Takes the probabilities of the next window; returns the keyword heard in it, or -1.
  int32_t add(const float* probabilities);
  float average(int32_t label) const { return mean_[static_cast<size_t>(label)]; }

 private:
  std::pmr::vector<float> history_, mean_;  // [smoothing][classes], a ring; [classes]
  std::pmr::vector<uint8_t> ignored_;
  size_t classes_ = 0, smoothing_ = 1, refractory_ = 0, at_ = 0, deaf_ = 0;
  float threshold_ = 0;
  int32_t held_ = -1;  // heard, and not yet below the threshold again
};

/// Speech. It begins with the first of `min_speech` windows in a row at or above `threshold` and
/// ends with the last such window before `min_silence` windows in a row below `release`; windows
/// between the two thresholds change nothing.
class SpeechSegmenter {
 public:
  enum class Change : uint8_t { none, begin, end };

  /// Both counts are at least 1; release <= threshold.
  void create(size_t min_speech, size_t min_silence, float threshold, float release);
  void reset();

  Change add(float probability);
  /// The stream is over: ends speech that is still going on.
  Change finish();

  /// Windows, counted from 0, of the segment that began or ended last: its first and its last.
  int64_t first() const { return first_; }
  int64_t last() const { return last_; }
  /// The mean probability of its windows.
  float mean() const { return counted_ == 0 ? 0 : sum_ / static_cast<float>(counted_); }

 private:
  size_t min_speech_ = 1, min_silence_ = 1, run_ = 0;
  float threshold_ = 0, release_ = 0, sum_ = 0;
  int64_t window_ = 0, first_ = 0, last_ = 0, counted_ = 0;
  bool speaking_ = false;
};

}  // namespace heed
