#pragma once
// What every variant shares: all between the two products, over F32x16. Include after
// vec_<isa>.h. A variant's Products has
//
//   Products(const int8_t* q8, int32_t width)
//   F32x16 dots(const int8_t* k) const
//     sum_d q8[d] k[s,d] of the 16 keys s of a block
//   static void mix(const int8_t* v, int32_t width, int32_t keys, const int8_t* high,
//                   const int8_t* low, int32_t* a, int32_t* b)
//     a[d] = sum_s high[s] v[s,d], b with low, over `keys` keys, a multiple of 16
//   static void join(const int32_t* a, const int32_t* b, int32_t width, float factor, float* y)
//     y[d] = float(128 a[d] + b[d]) factor: exact in a double, the one rounding is that to float

#include "ops/cached_attention/cached_attention.h"
#include "ops/simd/pages.h"
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

/// Products::join for machines that have nothing better.
inline void join_one_by_one(const int32_t* a, const int32_t* b, int32_t width, float factor,
                            float* y) {
  for (int32_t d = 0; d < width; ++d) y[d] = static_cast<float>(128.0 * a[d] + b[d]) * factor;
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

/// What is in sight, counted from the first key of its first block: keys `skip` .. `keys` - 1.
struct Sight {
  CachedPanel k, v;
  const float* mask;  // null: none
  float* p;
  int32_t skip, keys;

  explicit Sight(const CachedAttentionArgs& args)
      : k(args.k), v(args.v), mask(args.mask), p(args.p) {
    const int32_t base = args.begin / kCachedPanelRows * kCachedPanelRows;
    skip = args.begin - base;
    keys = args.end - base;
    k.q += ptrdiff_t{base} * args.head_width;
    v.q += ptrdiff_t{base} * args.value_width;
    k.scale += base;
    v.scale += base;
    p += base;
    if (mask) mask += base;
  }
  int32_t in_block(int32_t s) const { return keys - s < 16 ? keys - s : 16; }
};

/// z to p; returns the largest, 0 where all are -infinity.
template <class Products>
inline float logits(const CachedAttentionArgs& args, const Sight& sight, const int8_t* q8,
                    float c) {
  const Products products(q8, args.head_width);
  const F32x16 factor = set1(c), none = set1(-HUGE_VALF);
  F32x16 highest = none;
  for (int32_t s = 0; s < sight.keys; s += 16) {
    const int32_t n = sight.in_block(s);
    F32x16 z = products.dots(sight.k.q + ptrdiff_t{s} * args.head_width) *
               (load(sight.k.scale + s) * factor);
    if (sight.mask) z = z + lanes_of(sight.mask + s, n, 0.0f);
    if (n < 16) z = select(first_lanes(n), z, none);
    if (s == 0 && sight.skip > 0) z = select(first_lanes(sight.skip), none, z);
    highest = max(highest, z);
    store_lanes(sight.p + s, z, n);
  }
  const float largest = max(highest);
  return largest == -HUGE_VALF ? 0.0f : largest;
}

/// p and, in u, p * v_scale; returns the largest u.
inline float exponentials(const Sight& sight, float highest, float* u, float* sum_e) {
  F32x16 sums = set1(0.0f), largest = set1(0.0f);
  const F32x16 shift = set1(highest);
  for (int32_t s = 0; s < sight.keys; s += 16) {
    const int32_t n = sight.in_block(s);
    const F32x16 e = exp_below_max(lanes_of(sight.p + s, n, -HUGE_VALF) - shift);
    const F32x16 weighed = e * lanes_of(sight.v.scale + s, n, 0.0f);
    store_lanes(sight.p + s, e, n);
    store(u + s, weighed);
    sums = sums + e;
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
  const Sight sight(args);
  const int32_t padded = (sight.keys + 15) / 16 * 16;
  alignas(64) int8_t q8[kCachedWidthMax];
  alignas(64) int32_t a[kCachedWidthMax], b[kCachedWidthMax];
  float* u = static_cast<float*>(scratch);
  auto* high = reinterpret_cast<int8_t*>(u + padded);
  int8_t* low = high + padded;

  ask_for_pages(sight.v.q, ptrdiff_t{padded} * args.value_width);
  const float c = quantise_query(args.q, args.head_width, q8) * args.scale;
  float sum_e = 0.0f;
  const float highest = logits<Products>(args, sight, q8, c);
  const float largest = exponentials(sight, highest, u, &sum_e);
  const bool nothing = largest < 0x1p-100f;
  split_weights(u, sight.keys, nothing ? 0.0f : 16383.0f / largest, high, low);
  Products::mix(sight.v.q, args.value_width, padded, high, low, a, b);
  const float factor = nothing ? 0.0f : largest / 16383.0f / sum_e;
  Products::join(a, b, args.value_width, factor, args.y);
  return sum_e;
}

}  // namespace
}  // namespace heed
