#pragma once
// What every variant shares: all between the two products, over F32x16. Include after
// vec_<isa>.h. A variant's Products has
//
//   static F32x16 dots(const int8_t* q8, const CachedRows& k, int32_t width, int32_t s, int32_t n)
//     sum_d q8[d] k8[s + l, d] in lane l < n, n in 1 .. 16; what is in the others does not matter
//   static void mix(const CachedRows& v, int32_t width, int32_t keys, const int8_t* high,
//                   const int8_t* low, int32_t* a, int32_t* b)
//     a[d] = sum_s high[s] v8[s,d], b with low; both are zero from `keys` up to a multiple of 16
//   static void collect(const float* p, ptrdiff_t step, int32_t n, float* out)
//     out[l] = p[l * step]

#include "ops/cached_attention/cached_attention.h"
#include "ops/simd/vec_math.h"

namespace heed {
namespace {

/// Lanes that are absent read as `otherwise`.
inline F32x16 lanes_of(const float* p, int32_t n, float otherwise) {
  if (n >= 16) return load(p);
  return select(first_lanes(n), load_partial(p, n), set1(otherwise));
}
inline void store_lanes(float* p, F32x16 a, int32_t n) {
  n >= 16 ? store(p, a) : store_partial(p, a, n);
}

/// Products::collect for machines that have nothing better.
inline void collect_one_by_one(const float* p, ptrdiff_t step, int32_t n, float* out) {
  for (int32_t l = 0; l < n; ++l) out[l] = p[l * step];
}

/// Returns the scale; n is a multiple of 16.
inline float quantise_query(const float* x, int32_t n, int8_t* q) {
  F32x16 lanes = set1(0.0f);
  for (int32_t i = 0; i < n; i += 16) lanes = max_abs(lanes, load(x + i));
  const float absmax = max(lanes);
  const bool zero = absmax < 0x1p-100f;
  const F32x16 inverse = set1(zero ? 0.0f : 127.0f / absmax);
  for (int32_t i = 0; i < n; i += 16) store_i8(q + i, load(x + i) * inverse);
  return zero ? 0.0f : absmax / 127.0f;
}

/// z to p; returns the largest, 0 where all are -infinity. `scales`: scratch, one for each key.
template <class Products>
inline float logits(const CachedAttentionArgs& args, const int8_t* q8, float c, float* scales) {
  const CachedRows& k = args.k;
  Products::collect(k.scale, k.scale_step, args.keys, scales);
  const F32x16 factor = set1(c);
  F32x16 highest = set1(-HUGE_VALF);
  for (int32_t s = 0; s < args.keys; s += 16) {
    const int32_t n = args.keys - s < 16 ? args.keys - s : 16;
    const F32x16 dots = Products::dots(q8, k, args.head_width, s, n);
    F32x16 z = dots * (lanes_of(scales + s, n, 0.0f) * factor);
    if (args.mask) z = z + lanes_of(args.mask + s, n, 0.0f);
    if (n < 16) z = select(first_lanes(n), z, set1(-HUGE_VALF));
    highest = max(highest, z);
    store_lanes(args.p + s, z, n);
  }
  const float largest = max(highest);
  return largest == -HUGE_VALF ? 0.0f : largest;
}

/// p and, in u, p * v_scale; returns the largest u.
template <class Products>
inline float exponentials(const CachedAttentionArgs& args, float highest, float* u, float* sum_e) {
  const CachedRows& v = args.v;
  Products::collect(v.scale, v.scale_step, args.keys, u);
  F32x16 sums = set1(0.0f), largest = set1(0.0f);
  const F32x16 shift = set1(highest);
  for (int32_t s = 0; s < args.keys; s += 16) {
    const int32_t n = args.keys - s < 16 ? args.keys - s : 16;
    const F32x16 e = exp_below_max(lanes_of(args.p + s, n, -HUGE_VALF) - shift);
    const F32x16 weighed = e * lanes_of(u + s, n, 0.0f);
    store_lanes(args.p + s, e, n);
    store(u + s, weighed);
    sums = n < 16 ? select(first_lanes(n), sums + e, sums) : sums + e;
    largest = max(largest, weighed);
  }
  *sum_e = sum(sums);
  return max(largest);
}

/// The weights' upper and lower 7 bits, zero up to a multiple of 16.
inline void split_weights(const float* u, int32_t keys, float to_weight, int8_t* high,
                          int8_t* low) {
  const F32x16 factor = set1(to_weight);
  for (int32_t s = 0; s < keys; s += 16) {
    const F32x16 w = round_even(load(u + s) * factor);
    const F32x16 upper = floor(w * set1(1.0f / 128.0f));
    store_i8(high + s, upper);
    store_i8(low + s, fnma(upper, set1(128.0f), w));
  }
}

template <class Products>
float attend(const CachedAttentionArgs& args, void* scratch) {
  const int32_t padded = (args.keys + 15) / 16 * 16;
  alignas(64) int8_t q8[kCachedWidthMax];
  alignas(64) int32_t a[kCachedWidthMax], b[kCachedWidthMax];
  float* u = static_cast<float*>(scratch);
  auto* high = reinterpret_cast<int8_t*>(u + padded);
  int8_t* low = high + padded;

  const float c = quantise_query(args.q, args.head_width, q8) * args.scale;
  float sum_e = 0.0f;
  const float largest = exponentials<Products>(args, logits<Products>(args, q8, c, u), u, &sum_e);
  const bool nothing = largest < 0x1p-100f;
  split_weights(u, args.keys, nothing ? 0.0f : 16383.0f / largest, high, low);
  Products::mix(args.v, args.value_width, args.keys, high, low, a, b);
  const float factor = nothing ? 0.0f : largest / 16383.0f / sum_e;
  for (int32_t d = 0; d < args.value_width; ++d) {
    // Exact in a double: the one rounding is that to float.
    args.y[d] = static_cast<float>(128.0 * a[d] + b[d]) * factor;
  }
  return sum_e;
}

}  // namespace
}  // namespace heed
