#pragma once
// Element by element over contiguous runs. The caller cuts a broadcast into runs in which each
// operand either walks (step 1) or stands still (step 0).
//
// Float kinds have SIMD variants, bit-equal to the reference. int64, int32 and boolean kinds are
// plain code with one implementation each. Booleans are bytes, 0 or 1.

#include "ops/isa.h"
#include "ops/rows.h"

namespace heed {

/// Numbered as fb::UnaryKind in the file. logical_not and is_nan have boolean results: see below.
/// round is to nearest even. leaky_relu: x < 0 ? alpha x : x. elu: x < 0 ? alpha (e^x - 1) : x.
/// hard_sigmoid: clamp(fma(alpha, x, beta), 0, 1). hard_swish: x clamp(fma(1/6, x, 1/2), 0, 1).
/// softplus: log(1 + e^x). sign: -1, 0 or 1.
enum class UnaryKind : uint8_t {
  relu,
  gelu_erf,
  gelu_tanh,
  silu,
  sigmoid,
  tanh,
  exp,
  log,
  sqrt,
  rsqrt,
  reciprocal,
  neg,
  abs,
  erf,
  floor,
  ceil,
  round,
  sin,
  cos,
  sign,
  logical_not,
  softplus,
  leaky_relu,
  elu,
  hard_sigmoid,
  hard_swish,
  gelu_sigmoid,
  is_nan
};

/// Numbered as fb::BinaryKind in the file. Float mod has the sign of the dividend (C fmod), integer
/// mod the sign of the divisor (Python).
enum class BinaryKind : uint8_t {
  add,
  sub,
  mul,
  div,
  pow,
  min,
  max,
  mod,
  equal,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  logical_xor
};

constexpr bool is_comparison(BinaryKind kind) {
  return kind >= BinaryKind::equal && kind <= BinaryKind::greater_equal;
}
constexpr bool is_logical(BinaryKind kind) { return kind >= BinaryKind::logical_and; }

/// y[i] = f(x[i]), i < n. y may equal x.
struct UnaryArgs {
  const float* x;
  float* y;
  int64_t n;
  float alpha = 0, beta = 0;
};

/// y[i] = f(a[i * a_step], b[i * b_step]), i < n. y may equal a or b.
template <class T, class Y>
struct BinaryRun {
  const T* a;
  const T* b;
  int32_t a_step, b_step;  // 1, or 0: one value for all
  Y* y;
  int64_t n;
};
using BinaryArgs = BinaryRun<float, float>;
using CompareArgs = BinaryRun<float, uint8_t>;

/// y[i] = condition[i * condition_step] ? a[i * a_step] : b[i * b_step]. Steps are 0 or 1.
struct SelectArgs {
  const uint8_t* condition;
  const float* a;
  const float* b;
  int32_t condition_step, a_step, b_step;
  float* y;
  int64_t n;
};

/// y[m,i] = x[m,i] + r[(r_first + m) mod r_rows, i]: residual adds and position tables.
struct AddRowsArgs {
  RowsArgs rows;   // in place allowed; absmax as there
  const float* r;  // rows r_step floats apart
  ptrdiff_t r_step;
  int32_t r_first;  // >= 0
  int32_t r_rows;   // >= 1
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct ElementwiseKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  void (*unary)(const UnaryArgs& args, UnaryKind kind);       // not logical_not, is_nan
  void (*binary)(const BinaryArgs& args, BinaryKind kind);    // add .. mod
  void (*compare)(const CompareArgs& args, BinaryKind kind);  // equal .. greater_equal
  void (*select)(const SelectArgs& args);
  void (*add_rows)(const AddRowsArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct ElementwiseKernelList {
  const ElementwiseKernel* const* items;
  size_t count;
};
ElementwiseKernelList elementwise_kernels();

// --- one implementation each: integers and booleans ---

/// add .. mod on integers; wraps around on overflow. Division truncates; by zero it gives 0, as
/// does mod. pow with a negative exponent gives 0 but for bases 1 and -1.
void binary_i64(const BinaryRun<int64_t, int64_t>& args, BinaryKind kind);
void binary_i32(const BinaryRun<int32_t, int32_t>& args, BinaryKind kind);
/// equal .. greater_equal
void compare_i64(const BinaryRun<int64_t, uint8_t>& args, BinaryKind kind);
void compare_i32(const BinaryRun<int32_t, uint8_t>& args, BinaryKind kind);
/// logical_and .. logical_xor and equal on booleans
void binary_bool(const BinaryRun<uint8_t, uint8_t>& args, BinaryKind kind);
/// neg, abs, sign, relu
void unary_i64(const int64_t* x, int64_t* y, int64_t n, UnaryKind kind);
void unary_i32(const int32_t* x, int32_t* y, int64_t n, UnaryKind kind);
void logical_not(const uint8_t* x, uint8_t* y, int64_t n);
void is_nan(const float* x, uint8_t* y, int64_t n);

/// Select on elements of any width: 1, 4 or 8 bytes. Steps (0 or 1) count elements.
struct SelectBytesArgs {
  const uint8_t* condition;
  const void* a;
  const void* b;
  int32_t condition_step, a_step, b_step;
  void* y;
  int64_t n;
};
void select_bytes(const SelectBytesArgs& args, size_t element_bytes);

}  // namespace heed
