#include "ops/simd/vec_neon.h"

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {
namespace {

inline int8x8_t four_twice(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpret_s8_s32(vdup_n_s32(four));
}

/// Products of 8 bits in 16, two of them added there before they are widened: two keys, or columns,
/// to a vector, two lanes each. x: 16 bytes of one group, y of the next.
inline void add_products(int32x4_t* sums, int8x16_t x, int8x16_t y, int8x8_t wx, int8x8_t wy) {
  sums[0] = vpadalq_s16(sums[0], vmlal_s8(vmull_s8(vget_low_s8(x), wx), vget_low_s8(y), wy));
  sums[1] = vpadalq_s16(sums[1], vmlal_s8(vmull_s8(vget_high_s8(x), wx), vget_high_s8(y), wy));
}

/// The four sums that two vectors hold.
inline int32x4_t add_pairs(const int32x4_t* sums) {
  return vcombine_s32(vpadd_s32(vget_low_s32(sums[0]), vget_high_s32(sums[0])),
                      vpadd_s32(vget_low_s32(sums[1]), vget_high_s32(sums[1])));
}

class Products {
 public:
  Products(const int8_t* q8, int32_t width) : q8_(q8), width_(width) {}

  F32x16 dots(const int8_t* k) const {
    int32x4_t sums[8];
    for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
    for (int32_t d = 0; d < width_; d += 8, k += 128) {
      const int8x8_t q0 = four_twice(q8_ + d), q1 = four_twice(q8_ + d + 4);
      for (int i = 0; i < 4; ++i)
        add_products(sums + 2 * i, vld1q_s8(k + 16 * i), vld1q_s8(k + 64 + 16 * i), q0, q1);
    }
    return to_float(
        I32x16{{add_pairs(sums), add_pairs(sums + 2), add_pairs(sums + 4), add_pairs(sums + 6)}});
  }

  /// 8 columns at a time.
  static void mix(const int8_t* v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    const ptrdiff_t step = ptrdiff_t{width} * 4;
    for (int32_t d = 0; d < width; d += 8) {
      int32x4_t sum_a[4], sum_b[4];
      for (int i = 0; i < 4; ++i) sum_a[i] = sum_b[i] = vdupq_n_s32(0);
      const int8_t* four = v + ptrdiff_t{d} * 4;
      for (int32_t s = 0; s < keys; s += 8, four += 2 * step) {
        const int8x8_t high0 = four_twice(high + s), high1 = four_twice(high + s + 4);
        const int8x8_t low0 = four_twice(low + s), low1 = four_twice(low + s + 4);
        for (int i = 0; i < 2; ++i) {
          const int8x16_t x = vld1q_s8(four + 16 * i), y = vld1q_s8(four + step + 16 * i);
          add_products(sum_a + 2 * i, x, y, high0, high1);
          add_products(sum_b + 2 * i, x, y, low0, low1);
        }
      }
      for (int i = 0; i < 2; ++i) {
        vst1q_s32(a + d + 4 * i, add_pairs(sum_a + 2 * i));
        vst1q_s32(b + d + 4 * i, add_pairs(sum_b + 2 * i));
      }
    }
  }

  static void join(const int32_t* a, const int32_t* b, int32_t width, float factor, float* y) {
    join_one_by_one(a, b, width, factor, y);
  }

 private:
  const int8_t* q8_;
  int32_t width_;
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionNeon;
const CachedAttentionKernel kCachedAttentionNeon = {"neon", Isa::neon, attend<Products>};

}  // namespace heed
