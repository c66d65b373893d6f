#pragma once
// The norms over F32x16; include after vec_<isa>.h. A sum of one row is a chain of adds, so
// kRowBlock rows go together. Arguments travel by value: stores through float pointers could change
// what a reference shows, and the loops would load it again and again.

#include "ops/norm/norm.h"

namespace heed {
namespace {

/// totals[r] = what `accumulate` gathers over row r, in the 16-lane order.
template <int kRows, class F>
inline void sum_rows(const float* x, ptrdiff_t x_step, int32_t n, F accumulate, float* totals) {
  F32x16 lanes[kRows];
  for (int r = 0; r < kRows; ++r) lanes[r] = set1(0.0f);
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int r = 0; r < kRows; ++r) lanes[r] = accumulate(load(x + r * x_step + i), lanes[r], r);
  }
  if (i < n) {
    const Mask16 present = first_lanes(n - i);
    for (int r = 0; r < kRows; ++r) {
      const F32x16 v = load_partial(x + r * x_step + i, n - i);
      lanes[r] = select(present, accumulate(v, lanes[r], r), lanes[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) totals[r] = sum(lanes[r]);
}

/// y = (x - mean) * inverse * gamma + beta, sixteen columns of kRows rows.
template <int kRows, bool kLayer, bool kBeta>
inline void normalize_rows(NormArgs args, int32_t m, const float* mean, const float* inverse) {
  const RowsArgs rows = args.rows;
  const float* x = rows.x + m * rows.x_step;
  float* y = rows.y + m * rows.y_step;
  F32x16 absmax[kRows];
  for (int r = 0; r < kRows; ++r) absmax[r] = set1(0.0f);
  const auto apply = [&](F32x16 v, int r, F32x16 gamma, F32x16 beta) {
    if constexpr (kLayer) v = v - set1(mean[r]);
    v = v * set1(inverse[r]);
    v = kBeta ? fma(v, gamma, beta) : v * gamma;
    absmax[r] = max_abs(absmax[r], v);
    return v;
  };
  int32_t i = 0;
  for (; i + 16 <= rows.n; i += 16) {
    const F32x16 gamma = load(args.gamma + i);
    const F32x16 beta = kBeta ? load(args.beta + i) : set1(0.0f);
    for (int r = 0; r < kRows; ++r) {
      store(y + r * rows.y_step + i, apply(load(x + r * rows.x_step + i), r, gamma, beta));
    }
  }
  if (i < rows.n) {
    // Absent lanes have gamma = beta = 0, so they leave absmax alone.
    const int32_t left = rows.n - i;
    const F32x16 gamma = load_partial(args.gamma + i, left);
    const F32x16 beta = kBeta ? load_partial(args.beta + i, left) : set1(0.0f);
    for (int r = 0; r < kRows; ++r) {
      const F32x16 v = load_partial(x + r * rows.x_step + i, left);
      store_partial(y + r * rows.y_step + i, apply(v, r, gamma, beta), left);
    }
  }
  if (rows.absmax != nullptr) {
    for (int r = 0; r < kRows; ++r) rows.absmax[m + r] = max(absmax[r]);
  }
}

template <int kRows, bool kLayer>
inline void norm_rows(NormArgs args, int32_t m) {
  const RowsArgs rows = args.rows;
  const float* x = rows.x + m * rows.x_step;
  const float inverse_n = 1.0f / static_cast<float>(rows.n);
  float mean[kRows] = {}, inverse[kRows];
  if constexpr (kLayer) {
    const auto add = [](F32x16 v, F32x16 lanes, int) { return lanes + v; };
    sum_rows<kRows>(x, rows.x_step, rows.n, add, mean);
    for (int r = 0; r < kRows; ++r) mean[r] = mean[r] * inverse_n;
  }
  const auto add_square = [&mean](F32x16 v, F32x16 lanes, int r) {
    const F32x16 d = kLayer ? v - set1(mean[r]) : v;
    return fma(d, d, lanes);
  };
  sum_rows<kRows>(x, rows.x_step, rows.n, add_square, inverse);
  for (int r = 0; r < kRows; ++r) inverse[r] = 1.0f / sqrt(inverse[r] * inverse_n + args.epsilon);
  if (args.beta != nullptr) {
    normalize_rows<kRows, kLayer, true>(args, m, mean, inverse);
  } else {
    normalize_rows<kRows, kLayer, false>(args, m, mean, inverse);
  }
}

template <bool kLayer>
inline void norm(const NormArgs& args) {
  int32_t m = 0;
  for (; m + kRowBlock <= args.rows.rows; m += kRowBlock) norm_rows<kRowBlock, kLayer>(args, m);
  for (; m < args.rows.rows; ++m) norm_rows<1, kLayer>(args, m);
}

void layer_norm(const NormArgs& args) { norm<true>(args); }
void rms_norm(const NormArgs& args) { norm<false>(args); }

}  // namespace
}  // namespace heed
