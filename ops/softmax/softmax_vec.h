#pragma once
// Softmax over F32x16; include after vec_<isa>.h.

#include "ops/simd/scalar_math.h"
#include "ops/simd/vec_math.h"
#include "ops/softmax/softmax.h"

namespace heed {
namespace {

inline float finite_max(const float* x, int32_t n) {
  F32x16 lanes = set1(-HUGE_VALF);
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) lanes = max(lanes, load(x + i));
  if (i < n) {
    const F32x16 v = load_partial(x + i, n - i);
    lanes = max(lanes, select(first_lanes(n - i), v, set1(-HUGE_VALF)));
  }
  const float largest = max(lanes);
  return largest == -HUGE_VALF ? 0.0f : largest;
}

/// Sum of e^(x - max); with kStore also kept in y (which may be x).
template <bool kStore>
inline float sum_of_exp(const float* x, int32_t n, float max, float* y) {
  F32x16 lanes = set1(0.0f);
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F32x16 e = exp_below_max(load(x + i) - set1(max));
    if constexpr (kStore) store(y + i, e);
    lanes = lanes + e;
  }
  if (i < n) {
    const F32x16 e = exp_below_max(load_partial(x + i, n - i) - set1(max));
    if constexpr (kStore) store_partial(y + i, e, n - i);
    lanes = select(first_lanes(n - i), lanes + e, lanes);
  }
  return sum(lanes);
}

void softmax(const RowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    float* y = args.y + m * args.y_step;
    const float sum = sum_of_exp<true>(x, args.n, finite_max(x, args.n), y);
    const F32x16 inverse = set1(sum > 0.0f ? 1.0f / sum : 0.0f);
    int32_t i = 0;
    for (; i + 16 <= args.n; i += 16) store(y + i, load(y + i) * inverse);
    if (i < args.n) {
      store_partial(y + i, load_partial(y + i, args.n - i) * inverse, args.n - i);
    }
  }
}

void log_softmax(const RowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    float* y = args.y + m * args.y_step;
    const float max = finite_max(x, args.n);
    const float log_sum = scalar::log(sum_of_exp<false>(x, args.n, max, nullptr));
    const F32x16 shift = set1(max), rest = set1(log_sum);
    int32_t i = 0;
    for (; i + 16 <= args.n; i += 16) store(y + i, (load(x + i) - shift) - rest);
    if (i < args.n) {
      const F32x16 v = load_partial(x + i, args.n - i);
      store_partial(y + i, (v - shift) - rest, args.n - i);
    }
  }
}

}  // namespace
}  // namespace heed
