#include "ops/simd/vec_neon.h"

#include "ops/cached_attention/cached_attention_arm.h"

namespace heed {
namespace {

struct Sdot {
  static int32x4_t add_products(int32x4_t sum, int8x16_t q, int8x16_t k) {
    return vdotq_s32(sum, q, k);
  }

  /// Four rows at a time: their bytes interleaved, each column's four in one lane.
  static void mix_columns(const int8_t* v, ptrdiff_t step, int32_t keys, const int8_t* high,
                          const int8_t* low, int32x4_t* a, int32x4_t* b) {
    for (int32_t s = 0; s < keys; s += 4) {
      int8x16_t rows[4];
      for (int32_t r = 0; r < 4; ++r)
        rows[r] = vld1q_s8(v + (s + r < keys ? s + r : keys - 1) * step);  // beyond: weight 0
      const int16x8_t lo01 = vreinterpretq_s16_s8(vzip1q_s8(rows[0], rows[1]));
      const int16x8_t hi01 = vreinterpretq_s16_s8(vzip2q_s8(rows[0], rows[1]));
      const int16x8_t lo23 = vreinterpretq_s16_s8(vzip1q_s8(rows[2], rows[3]));
      const int16x8_t hi23 = vreinterpretq_s16_s8(vzip2q_s8(rows[2], rows[3]));
      const int16x8_t x[4] = {vzip1q_s16(lo01, lo23), vzip2q_s16(lo01, lo23),
                              vzip1q_s16(hi01, hi23), vzip2q_s16(hi01, hi23)};
      const int8x16_t w_high = four_times(high + s), w_low = four_times(low + s);
      for (int i = 0; i < 4; ++i) {
        a[i] = vdotq_s32(a[i], vreinterpretq_s8_s16(x[i]), w_high);
        b[i] = vdotq_s32(b[i], vreinterpretq_s8_s16(x[i]), w_low);
      }
    }
  }

  static int8x16_t four_times(const int8_t* w) {
    int32_t four;
    __builtin_memcpy(&four, w, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionDotprod;
const CachedAttentionKernel kCachedAttentionDotprod = {"dotprod", Isa::neon | Isa::dotprod,
                                                       attend<ArmProducts<Sdot>>};

}  // namespace heed
