#include <arm_neon.h>

#include "ops/peak/peak.h"

namespace heed {
namespace {

int64_t multiply_adds(int64_t rounds) {
  const int8x8_t x = vdup_n_s8(3), w = vdup_n_s8(5);
  const auto dot = [](int32x4_t s, int8x8_t a, int8x8_t b) {
    __asm__ volatile("" : "+w"(a));  // else the product is computed once for all
    return vpadalq_s16(s, vmull_s8(a, b));
  };
  const int64_t each = 8;
  const int32x4_t zero = vdupq_n_s32(0);
  // Eight chains hide a latency of four cycles at two a cycle. The empty statements keep each in a
  // register.
  int32x4_t s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero;
  for (int64_t r = 0; r < rounds; ++r) {
    s0 = dot(s0, x, w), s1 = dot(s1, x, w), s2 = dot(s2, x, w), s3 = dot(s3, x, w);
    s4 = dot(s4, x, w), s5 = dot(s5, x, w), s6 = dot(s6, x, w), s7 = dot(s7, x, w);
    __asm__ volatile(""
                     : "+w"(s0), "+w"(s1), "+w"(s2), "+w"(s3), "+w"(s4), "+w"(s5), "+w"(s6),
                       "+w"(s7));
  }
  return rounds * 8 * each;
}

}  // namespace

extern const PeakKernel peak_neon;
const PeakKernel peak_neon = {"neon", IsaSet(Isa::neon), multiply_adds};

}  // namespace heed
