#include "ops/simd/vec_neon.h"

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {
namespace {

/// Sums of four keys, or columns, to a vector: the bytes at x times the kLane-th four of y's.
template <int kLane>
inline void add_four(int32x4_t* sums, const int8_t* x, int8x16_t y) {
  for (int i = 0; i < 4; ++i) sums[i] = vdotq_laneq_s32(sums[i], vld1q_s8(x + 16 * i), y, kLane);
}

class Products {
 public:
  Products(const int8_t* q8, int32_t width) : q8_(q8), width_(width) {}

  F32x16 dots(const int8_t* k) const {
    int32x4_t sums[4];
    for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
    for (int32_t d = 0; d < width_; d += 16, k += 256) {
      const int8x16_t q = vld1q_s8(q8_ + d);
      add_four<0>(sums, k, q);
      add_four<1>(sums, k + 64, q);
      add_four<2>(sums, k + 128, q);
      add_four<3>(sums, k + 192, q);
    }
    return to_float(I32x16{{sums[0], sums[1], sums[2], sums[3]}});
  }

  static void mix(const int8_t* v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    const ptrdiff_t step = ptrdiff_t{width} * 4;
    for (int32_t d = 0; d < width; d += 16) {
      int32x4_t sum_a[4], sum_b[4];
      for (int i = 0; i < 4; ++i) sum_a[i] = sum_b[i] = vdupq_n_s32(0);
      const int8_t* four = v + ptrdiff_t{d} * 4;
      for (int32_t s = 0; s < keys; s += 16, four += 4 * step) {
        const int8x16_t w_high = vld1q_s8(high + s), w_low = vld1q_s8(low + s);
        add_both<0>(sum_a, sum_b, four, w_high, w_low);
        add_both<1>(sum_a, sum_b, four + step, w_high, w_low);
        add_both<2>(sum_a, sum_b, four + 2 * step, w_high, w_low);
        add_both<3>(sum_a, sum_b, four + 3 * step, w_high, w_low);
      }
      for (int i = 0; i < 4; ++i) {
        vst1q_s32(a + d + 4 * i, sum_a[i]);
        vst1q_s32(b + d + 4 * i, sum_b[i]);
      }
    }
  }

  static void join(const int32_t* a, const int32_t* b, int32_t width, float factor, float* y) {
    join_one_by_one(a, b, width, factor, y);
  }

 private:
  template <int kLane>
  static void add_both(int32x4_t* sum_a, int32x4_t* sum_b, const int8_t* x, int8x16_t w_high,
                       int8x16_t w_low) {
    add_four<kLane>(sum_a, x, w_high);
    add_four<kLane>(sum_b, x, w_low);
  }

  const int8_t* q8_;
  int32_t width_;
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionDotprod;
const CachedAttentionKernel kCachedAttentionDotprod = {"dotprod", Isa::neon | Isa::dotprod,
                                                       attend<Products>};

}  // namespace heed
