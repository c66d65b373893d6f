#pragma once
// Reductions of x[outer, n, inner] over n to y[outer, inner], and dot products of many rows with
// one.
//
// inner = 1: float sums run in the 16-lane order (ops/rows.h), and so do max, min and prod.
// inner > 1: each column is reduced in order of n.
//
//   mean: sum / n;  l1: sum |x|;  l2: sqrt(sum x^2);  sum_square: sum x^2 (fused multiply-add)
//   log_sum: log(sum x);  log_sum_exp: max + log(sum exp(x - max))
//   arg_max, arg_min: the first index that holds the extreme value; with NaN, some index below n

#include "ops/isa.h"
#include "ops/rows.h"

namespace heed {

/// Numbered as fb::ReduceKind in the file.
enum class ReduceKind : uint8_t {
  sum,
  mean,
  max,
  min,
  prod,
  l1,
  l2,
  sum_square,
  log_sum,
  log_sum_exp,
  arg_max,
  arg_min
};

constexpr bool is_arg(ReduceKind kind) { return kind >= ReduceKind::arg_max; }

struct ReduceArgs {
  const float* x;
  float* y;                 // kinds below arg_max
  int64_t* index;           // arg_max, arg_min
  int64_t outer, n, inner;  // n >= 1; outer and inner >= 0
};

struct ReduceI64Args {
  const int64_t* x;
  int64_t* y;  // values, or indices for arg_max and arg_min
  int64_t outer, n, inner;
};

/// y[m] = sum_i x[m,i] a[i]: fused multiply-adds in the 16-lane order.
struct DotRowsArgs {
  const float* x;  // rows x_step floats apart; any alignment; only n values of a row are read
  ptrdiff_t x_step;
  const float* a;  // [n]
  float* y;        // [rows], overlaps nothing
  int32_t rows;    // >= 0
  int32_t n;       // >= 1
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct ReduceKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  void (*run)(const ReduceArgs& args, ReduceKind kind);
  void (*dot_rows)(const DotRowsArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct ReduceKernelList {
  const ReduceKernel* const* items;
  size_t count;
};
ReduceKernelList reduce_kernels();

/// The arg kinds for inner > 1, one implementation.
void arg_columns(const ReduceArgs& args, ReduceKind kind);

/// sum, mean (truncated), max, min, prod, l1, sum_square, arg_max, arg_min on int64; wraps on
/// overflow.
void reduce_i64(const ReduceI64Args& args, ReduceKind kind);

}  // namespace heed
