#pragma once
// The Fourier transform of real frames, four frames at a time.
//
//   X[f] = sum_n x[n] e^(-2 pi i f n / N),  f = 0 .. N/2
//
// Lane l of every array is frame l: element n of it lies at [n * kFftLanes + l]. So no step
// shuffles lanes, every loop over them vectorises on any instruction set, and as sums are neither
// fused nor reordered the bits are the same everywhere. Stockham's form, radix 4 and 2 and any odd
// radix (an odd factor p costs p / 2 times what a radix of 2 costs); an even N is N/2 complex
// numbers.

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <vector>

namespace heed {

inline constexpr int32_t kFftLanes = 4;

class RealFft {
 public:
  explicit RealFft(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : twiddles_(memory), turns_(memory), work_(memory) {}

  /// Whether `size` has no prime factor above 61, whose butterfly would take too long.
  static bool takes(int32_t size);

  /// Tables for frames of `size` samples, a size that it takes. All memory there will be is taken
  /// here.
  void create(int32_t size);

  int32_t size() const { return size_; }
  int32_t bins() const { return size_ / 2 + 1; }

  /// Where the caller writes the frames, [size()][kFftLanes], before power().
  float* input() { return work_.data(); }

  /// out[f][lane] = |X[f]|^2 for f < bins, which is at most bins(). Uses up the input.
  void power(int32_t bins, float* out);

 private:
  struct Split;  // real and imaginary parts
  struct Pass;
  Split transform();

  int32_t size_ = 0, complex_size_ = 0;
  std::pmr::vector<float> twiddles_;  // of every pass, then of the last step: (cos, -sin) pairs
  std::pmr::vector<float> turns_;     // cos and sin of 2 pi j r / p for the largest odd p
  std::pmr::vector<float> work_;
};

}  // namespace heed
