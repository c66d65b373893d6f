#include "ops/simd/vec_neon.h"

#include "ops/cached_attention/cached_attention_arm.h"

namespace heed {
namespace {

/// Products of 8 bits in 16, two of them added there before they are widened.
struct Widened {
  static int32x4_t add_products(int32x4_t sum, int8x16_t q, int8x16_t k) {
    const int16x8_t low = vmull_s8(vget_low_s8(q), vget_low_s8(k));
    return vpadalq_s16(sum, vmlal_s8(low, vget_high_s8(q), vget_high_s8(k)));
  }

  /// a[j] += w[0] x[j] + w[1] y[j] for 8 columns.
  static void add_weighed(int32x4_t* sums, int8x8_t x, int8x8_t y, const int8_t* w) {
    const int16x8_t both = vmlal_s8(vmull_s8(x, vdup_n_s8(w[0])), y, vdup_n_s8(w[1]));
    sums[0] = vaddw_s16(sums[0], vget_low_s16(both));
    sums[1] = vaddw_s16(sums[1], vget_high_s16(both));
  }

  static void mix_columns(const int8_t* v, ptrdiff_t step, int32_t keys, const int8_t* high,
                          const int8_t* low, int32x4_t* a, int32x4_t* b) {
    for (int32_t s = 0; s < keys; s += 2) {
      const int8_t* row = v + s * step;
      const int8x16_t x = vld1q_s8(row);
      const int8x16_t y = vld1q_s8(s + 1 < keys ? row + step : row);  // beyond: weight 0
      add_weighed(a, vget_low_s8(x), vget_low_s8(y), high + s);
      add_weighed(a + 2, vget_high_s8(x), vget_high_s8(y), high + s);
      add_weighed(b, vget_low_s8(x), vget_low_s8(y), low + s);
      add_weighed(b + 2, vget_high_s8(x), vget_high_s8(y), low + s);
    }
  }
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionNeon;
const CachedAttentionKernel kCachedAttentionNeon = {"neon", Isa::neon,
                                                    attend<ArmProducts<Widened>>};

}  // namespace heed
