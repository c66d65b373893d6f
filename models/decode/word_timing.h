#pragma once
// When each token was said, from what cross-attention looked at: dynamic time warping over the maps
// of the heads that are known to follow the sound, as Whisper's word timestamps do it.

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <span>
#include <vector>

namespace heed {

class WordTiming {
 public:
  explicit WordTiming(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : maps_(memory), mean_(memory), cost_(memory), trace_(memory), starts_(memory) {}

  /// At most `tokens_max` tokens over `frames_max` frames. All memory is taken here.
  void create(size_t heads, size_t tokens_max, size_t frames_max);

  size_t heads() const { return heads_; }
  size_t tokens_max() const { return tokens_max_; }

  /// The row of token `token` of head `head`, for the caller to fill with frames_max probabilities.
  float* row(size_t head, size_t token) {
    return maps_.data() + (head * tokens_max_ + token) * frames_max_;
  }

  /// The first frame of each of the tokens, and a last one that ends the last: tokens + 1 frames,
  /// never decreasing, none beyond `frames`. Of every head the maps are brought to mean 0 and
  /// deviation 1 over the tokens and smoothed by a median over seven frames; then the path through
  /// the mean of the heads that sees the most. Uses the maps up.
  std::span<const int32_t> align(size_t tokens, size_t frames);

 private:
  void normalise(size_t tokens, size_t frames);

  std::pmr::vector<float> maps_, mean_, cost_;
  std::pmr::vector<uint8_t> trace_;
  std::pmr::vector<int32_t> starts_;
  size_t heads_ = 0, tokens_max_ = 0, frames_max_ = 0;
};

/// How often a text repeats itself: its bytes over those that deflate would need, near enough.
/// Whisper takes more than 2.4 for a loop. Of a text that is longer than any window's the beginning
/// counts. Allocates nothing.
double compression_ratio(const char* text, size_t bytes);

}  // namespace heed
