#pragma once
// What the ARM variants share. Core has
//
//   add_products(sum, q, k): 16 products, added in groups to sum's lanes
//   mix_columns(v, step, keys, high, low, a, b): 16 columns of Products::mix, four to a vector

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {
namespace {

/// The sum of each, in order.
inline int32x4_t add_across(const int32x4_t* a) {
  const auto two = [](int32x4_t x, int32x4_t y) {
    return vpadd_s32(vadd_s32(vget_low_s32(x), vget_high_s32(x)),
                     vadd_s32(vget_low_s32(y), vget_high_s32(y)));
  };
  return vcombine_s32(two(a[0], a[1]), two(a[2], a[3]));
}

template <class Core>
struct ArmProducts {
  static int32x4_t four_dots(const int8_t* q8, const CachedRows& k, int32_t width, int32_t s,
                             int32_t n) {
    int32x4_t sums[4];
    const int8_t* row[4];
    for (int32_t l = 0; l < 4; ++l) {
      sums[l] = vdupq_n_s32(0);
      row[l] = k.q + (s + (l < n ? l : n - 1)) * k.step;
    }
    for (int32_t d = 0; d < width; d += 16) {
      const int8x16_t q = vld1q_s8(q8 + d);
      for (int l = 0; l < 4; ++l) sums[l] = Core::add_products(sums[l], q, vld1q_s8(row[l] + d));
    }
    return add_across(sums);
  }

  static F32x16 dots(const int8_t* q8, const CachedRows& k, int32_t width, int32_t s, int32_t n) {
    I32x16 dots;
    for (int32_t i = 0; i < 4; ++i) {
      const int32_t first = 4 * i < n ? 4 * i : n - 1;
      dots.v[i] = four_dots(q8, k, width, s + first, n - first);
    }
    return to_float(dots);
  }

  static void collect(const float* p, ptrdiff_t step, int32_t n, float* out) {
    collect_one_by_one(p, step, n, out);
  }

  static void mix(const CachedRows& v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    for (int32_t d = 0; d < width; d += 16) {
      int32x4_t sum_a[4], sum_b[4];
      for (int i = 0; i < 4; ++i) sum_a[i] = sum_b[i] = vdupq_n_s32(0);
      Core::mix_columns(v.q + d, v.step, keys, high, low, sum_a, sum_b);
      for (int i = 0; i < 4; ++i) {
        vst1q_s32(a + d + 4 * i, sum_a[i]);
        vst1q_s32(b + d + 4 * i, sum_b[i]);
      }
    }
  }
};

}  // namespace
}  // namespace heed
