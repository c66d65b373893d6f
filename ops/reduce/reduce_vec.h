#pragma once
// Reductions over F32x16; include after vec_<isa>.h.

#include "ops/reduce/reduce.h"
#include "ops/simd/scalar_math.h"
#include "ops/simd/vec_math.h"

namespace heed {
namespace {

/// n consecutive values in the 16-lane order, not yet folded.
template <class Step>
inline F32x16 reduce_run(const float* x, int64_t n, F32x16 lanes, Step step) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) lanes = step(lanes, load(x + i));
  if (i < n) {
    const auto left = static_cast<int32_t>(n - i);
    lanes = select(first_lanes(left), step(lanes, load_partial(x + i, left)), lanes);
  }
  return lanes;
}

/// n rows of up to 16 columns, one after the other.
template <class Step>
inline F32x16 reduce_columns(const float* x, int64_t n, int64_t row_step, int32_t columns,
                             F32x16 lanes, Step step) {
  for (int64_t i = 0; i < n; ++i) {
    const float* row = x + i * row_step;
    lanes = step(lanes, columns == 16 ? load(row) : load_partial(row, columns));
  }
  return lanes;
}

/// y = finish(fold(step(.. step(first, x[0]) .., x[n-1]))); the shape is that of ReduceArgs.
template <class Step, class Fold, class Finish>
inline void reduce(const ReduceArgs& args, float first, Step step, Fold fold, Finish finish) {
  for (int64_t o = 0; o < args.outer; ++o) {
    const float* x = args.x + o * args.n * args.inner;
    float* y = args.y + o * args.inner;
    if (args.inner == 1) {
      const F32x16 lanes = reduce_run(x, args.n, set1(first), step);
      store_partial(y, finish(set1(fold(lanes))), 1);
      continue;
    }
    for (int64_t c = 0; c < args.inner; c += 16) {
      const int64_t left = args.inner - c;
      const int32_t columns = left < 16 ? static_cast<int32_t>(left) : 16;
      const F32x16 lanes = reduce_columns(x + c, args.n, args.inner, columns, set1(first), step);
      store_partial(y + c, finish(lanes), columns);
    }
  }
}

inline F32x16 add_step(F32x16 lanes, F32x16 v) { return lanes + v; }
inline F32x16 max_step(F32x16 lanes, F32x16 v) { return max(lanes, v); }
inline F32x16 min_step(F32x16 lanes, F32x16 v) { return min(lanes, v); }
inline F32x16 unchanged(F32x16 v) { return v; }
inline float fold_sum(F32x16 lanes) { return sum(lanes); }
inline float fold_max(F32x16 lanes) { return max(lanes); }
inline float fold_min(F32x16 lanes) {
  float l[16];
  store(l, lanes);
  return scalar::lane_min(l);
}
inline float fold_prod(F32x16 lanes) {
  float l[16];
  store(l, lanes);
  return scalar::lane_prod(l);
}

void log_sum_exp(const ReduceArgs& args) {
  const auto finite = [](F32x16 v) { return select(less(abs(v), set1(HUGE_VALF)), v, set1(0.0f)); };
  for (int64_t o = 0; o < args.outer; ++o) {
    const float* x = args.x + o * args.n * args.inner;
    float* y = args.y + o * args.inner;
    if (args.inner == 1) {
      const F32x16 shift =
          finite(set1(fold_max(reduce_run(x, args.n, set1(-HUGE_VALF), max_step))));
      const auto step = [&](F32x16 lanes, F32x16 v) { return lanes + exp(v - shift); };
      const float total = sum(reduce_run(x, args.n, set1(0.0f), step));
      store_partial(y, shift + log(set1(total)), 1);
      continue;
    }
    for (int64_t c = 0; c < args.inner; c += 16) {
      const int64_t left = args.inner - c;
      const int32_t columns = left < 16 ? static_cast<int32_t>(left) : 16;
      const F32x16 shift =
          finite(reduce_columns(x + c, args.n, args.inner, columns, set1(-HUGE_VALF), max_step));
      const auto step = [&](F32x16 lanes, F32x16 v) { return lanes + exp(v - shift); };
      const F32x16 total = reduce_columns(x + c, args.n, args.inner, columns, set1(0.0f), step);
      store_partial(y + c, shift + log(total), columns);
    }
  }
}

/// The extreme value first, in 16 lanes; then the first place that holds it.
void arg_extreme(const ReduceArgs& args, ReduceKind kind) {
  const bool largest = kind == ReduceKind::arg_max;
  if (args.inner != 1) return arg_columns(args, kind);
  for (int64_t o = 0; o < args.outer; ++o) {
    const float* x = args.x + o * args.n;
    const float extreme = largest ? fold_max(reduce_run(x, args.n, set1(-HUGE_VALF), max_step))
                                  : fold_min(reduce_run(x, args.n, set1(HUGE_VALF), min_step));
    int64_t i = 0;
    while (i < args.n && x[i] != extreme) ++i;
    args.index[o] = i < args.n ? i : 0;
  }
}

void run_reduce(const ReduceArgs& args, ReduceKind kind) {
  const F32x16 count = set1(static_cast<float>(args.n));
  const auto square = [](F32x16 lanes, F32x16 v) { return fma(v, v, lanes); };
  switch (kind) {
    case ReduceKind::sum:
      return reduce(args, 0.0f, add_step, fold_sum, unchanged);
    case ReduceKind::mean:
      return reduce(args, 0.0f, add_step, fold_sum, [&](F32x16 v) { return v / count; });
    case ReduceKind::max:
      return reduce(args, -HUGE_VALF, max_step, fold_max, unchanged);
    case ReduceKind::min:
      return reduce(args, HUGE_VALF, min_step, fold_min, unchanged);
    case ReduceKind::prod:
      return reduce(
          args, 1.0f, [](F32x16 lanes, F32x16 v) { return lanes * v; }, fold_prod, unchanged);
    case ReduceKind::l1:
      return reduce(
          args, 0.0f, [](F32x16 lanes, F32x16 v) { return lanes + abs(v); }, fold_sum, unchanged);
    case ReduceKind::l2:
      return reduce(args, 0.0f, square, fold_sum, [](F32x16 v) { return sqrt(v); });
    case ReduceKind::sum_square:
      return reduce(args, 0.0f, square, fold_sum, unchanged);
    case ReduceKind::log_sum:
      return reduce(args, 0.0f, add_step, fold_sum, [](F32x16 v) { return log(v); });
    case ReduceKind::log_sum_exp:
      return log_sum_exp(args);
    case ReduceKind::arg_max:
    case ReduceKind::arg_min:
      return arg_extreme(args, kind);
  }
}

/// The next kRows rows; several chains of fused multiply-adds hide each other's latency.
template <int kRows>
inline void dot_block(const DotRowsArgs& args, int32_t m) {
  const float* x = args.x + m * args.x_step;
  F32x16 lanes[kRows];
  for (int r = 0; r < kRows; ++r) lanes[r] = set1(0.0f);
  int32_t i = 0;
  for (; i + 16 <= args.n; i += 16) {
    const F32x16 a = load(args.a + i);
    for (int r = 0; r < kRows; ++r) lanes[r] = fma(load(x + r * args.x_step + i), a, lanes[r]);
  }
  if (i < args.n) {
    // Absent lanes add 0 * 0, which changes no sum but that of a lane that is -0: none is.
    const int32_t left = args.n - i;
    const F32x16 a = load_partial(args.a + i, left);
    for (int r = 0; r < kRows; ++r) {
      lanes[r] = fma(load_partial(x + r * args.x_step + i, left), a, lanes[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) args.y[m + r] = sum(lanes[r]);
}

void dot_rows(const DotRowsArgs& args) {
  int32_t m = 0;
  for (; m + kRowBlock <= args.rows; m += kRowBlock) dot_block<kRowBlock>(args, m);
  for (; m < args.rows; ++m) dot_block<1>(args, m);
}

}  // namespace
}  // namespace heed
