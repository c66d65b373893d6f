#include "models/decode/word_timing.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace heed {
namespace {

constexpr size_t kMedian = 7;
enum Step : uint8_t { both, token, frame };

}  // namespace

void WordTiming::create(size_t heads, size_t tokens_max, size_t frames_max) {
  heads_ = heads;
  tokens_max_ = tokens_max;
  frames_max_ = frames_max;
  maps_.assign(heads * tokens_max * frames_max, 0.0f);
  mean_.assign(tokens_max * frames_max, 0.0f);
  cost_.assign(2 * (frames_max + 1), 0.0f);
  trace_.assign((tokens_max + 1) * (frames_max + 1), 0);
  starts_.assign(tokens_max + 1, 0);
}

void WordTiming::normalise(size_t tokens, size_t frames) {
  std::fill(mean_.begin(), mean_.end(), 0.0f);
  for (size_t h = 0; h < heads_; ++h) {
    for (size_t f = 0; f < frames; ++f) {
      double sum = 0, squares = 0;
      for (size_t t = 0; t < tokens; ++t) sum += static_cast<double>(row(h, t)[f]);
      const double mean = sum / static_cast<double>(tokens);
      for (size_t t = 0; t < tokens; ++t) {
        const double d = static_cast<double>(row(h, t)[f]) - mean;
        squares += d * d;
      }
      const double deviation = std::sqrt(squares / static_cast<double>(tokens));
      for (size_t t = 0; t < tokens; ++t)
        row(h, t)[f] =
            !(deviation > 0)  // or none, of what is no number
                ? 0.0f
                : static_cast<float>((static_cast<double>(row(h, t)[f]) - mean) / deviation);
    }
    constexpr size_t kHalf = kMedian / 2;
    for (size_t t = 0; t < tokens; ++t)
      for (size_t f = 0; f < frames; ++f) {
        float window[kMedian];
        for (size_t i = 0; i < kMedian; ++i) {  // reflected at both ends
          size_t at = f + i < kHalf ? kHalf - f - i : f + i - kHalf;
          if (at >= frames) at = 2 * frames - 2 - at;
          window[i] = row(h, t)[frames <= kHalf ? f : at];
        }
        std::nth_element(window, window + kHalf, window + kMedian);
        mean_[t * frames_max_ + f] += window[kHalf] / static_cast<float>(heads_);
      }
  }
}

std::span<const int32_t> WordTiming::align(size_t tokens, size_t frames) {
  tokens = std::min(tokens, tokens_max_);
  frames = std::min(frames, frames_max_);
  if (tokens == 0 || frames == 0 || heads_ == 0) {
    std::fill(starts_.begin(), starts_.end(), 0);
    return {starts_.data(), tokens + 1};
  }
  normalise(tokens, frames);
  const float kFar = INFINITY;
  const size_t width = frames + 1;
  float *above = cost_.data(), *here = above + frames_max_ + 1;
  std::fill_n(above, width, kFar);
  above[0] = 0;
  for (size_t t = 1; t <= tokens; ++t) {
    here[0] = kFar;
    for (size_t f = 1; f <= frames; ++f) {
      const float diagonal = above[f - 1], up = above[f], left = here[f - 1];
      Step step = frame;
      float least = left;
      if (diagonal < up && diagonal < left) {
        step = both;
        least = diagonal;
      } else if (up < diagonal && up < left) {
        step = token;
        least = up;
      }
      here[f] = least - mean_[(t - 1) * frames_max_ + f - 1];
      trace_[t * width + f] = step;
    }
    std::swap(above, here);
  }
  // Backwards; the frame at which the path comes to a token is that token's first.
  size_t t = tokens, f = frames;
  starts_[tokens] = static_cast<int32_t>(frames);
  while (t > 0) {
    starts_[t - 1] = static_cast<int32_t>(f == 0 ? 0 : f - 1);
    const Step step = f == 0 ? token : static_cast<Step>(trace_[t * width + f]);
    if (step != frame) --t;
    if (step != token && f > 0) --f;
  }
  return {starts_.data(), tokens + 1};
}

namespace {

constexpr size_t kTextMax = 8192;  // the time that Deflate takes grows with the square

// LZ77 with matches of three bytes and more, then the entropy of what is left, which deflate's
// Huffman codes come close to.
class Deflate {
 public:
  explicit Deflate(const char* text, size_t bytes) : text_(text), bytes_(bytes) {
    for (size_t at = 0; at < bytes_;) at += take(at);
  }
  double bits() const { return entropy(symbols_, 286) + entropy(distances_, 30) + extra_; }
  double header_bits() const {
    size_t used = 0;
    for (const uint32_t count : symbols_) used += count > 0;
    for (const uint32_t count : distances_) used += count > 0;
    return 100.0 + 5.0 * static_cast<double>(used);  // code lengths, themselves compressed
  }
  // With the codes that need no header: 8 bits a letter, 7 a length, 5 a distance.
  double fixed_bits() const { return 8.0 * letters_ + 12.0 * matches_ + extra_ + 10; }

 private:
  static size_t log2_floor(size_t x) {
    size_t bits = 0;
    while (x > 1) x >>= 1, ++bits;
    return bits;
  }
  static double entropy(const uint32_t* counts, size_t n) {
    double total = 0, bits = 0;
    for (size_t i = 0; i < n; ++i) total += counts[i];
    for (size_t i = 0; i < n; ++i)
      if (counts[i] > 0) bits += counts[i] * std::max(1.0, std::log2(total / counts[i]));
    return bits;
  }
  // The longest match by looking everywhere: a window's text is a thousand bytes or two.
  size_t take(size_t at) {
    size_t length = 0, distance = 0;
    for (size_t from = at > 32768 ? at - 32768 : 0; from < at; ++from) {
      size_t same = 0;
      while (at + same < bytes_ && same < 258 && text_[from + same] == text_[at + same]) ++same;
      if (same >= length) {
        length = same;
        distance = at - from;
      }
    }
    if (length < 3) {
      ++symbols_[static_cast<uint8_t>(text_[at])];
      ++letters_;
      return 1;
    }
    ++matches_;
    const size_t size = log2_floor(length - 2), far = log2_floor(distance);
    ++symbols_[257 + std::min<size_t>(2 * size + 1, 28)];
    ++distances_[std::min<size_t>(2 * far, 29)];
    extra_ += static_cast<double>((size > 2 ? size - 2 : 0) + (far > 1 ? far - 1 : 0));
    return length;
  }

  const char* text_;
  size_t bytes_;
  uint32_t symbols_[286] = {}, distances_[30] = {};
  double extra_ = 0, letters_ = 0, matches_ = 0;
};

}  // namespace

double compression_ratio(const char* text, size_t bytes) {
  bytes = std::min(bytes, kTextMax);
  if (bytes == 0) return 0;
  const Deflate deflate(text, bytes);
  const double best = std::min(deflate.fixed_bits(), deflate.bits() + deflate.header_bits());
  return static_cast<double>(bytes) / (std::ceil(best / 8) + 6);  // zlib's own header and checksum
}

}  // namespace heed
