#pragma once
// Elementwise ops over F32x16; include after vec_<isa>.h. Kinds that are activations run in the
// activation kernel of the same ISA; sin, cos, pow and mod go value by value.

#include <math.h>

#include "ops/activation/activation.h"
#include "ops/elementwise/elementwise.h"
#include "ops/simd/map_rows.h"
#include "ops/simd/scalar_math.h"
#include "ops/simd/vec_math.h"

namespace heed {
namespace {

template <class F>
inline void map(const UnaryArgs& args, F f) {
  int64_t i = 0;
  for (; i + 16 <= args.n; i += 16) store(args.y + i, f(load(args.x + i)));
  if (i < args.n) {
    const auto left = static_cast<int32_t>(args.n - i);
    store_partial(args.y + i, f(load_partial(args.x + i, left)), left);
  }
}

inline void map_scalar(const UnaryArgs& args, float (*f)(float)) {
  for (int64_t i = 0; i < args.n; ++i) args.y[i] = f(args.x[i]);
}

/// As one long row, in pieces that an int32 counts.
inline void activate(const UnaryArgs& args, ActivationKind kind, const ActivationKernel& kernel) {
  constexpr int64_t kPiece = 1 << 30;
  for (int64_t i = 0; i < args.n; i += kPiece) {
    const int64_t left = args.n - i;
    const auto n = static_cast<int32_t>(left < kPiece ? left : kPiece);
    kernel.run({args.x + i, n, args.y + i, n, 1, n, nullptr}, kind);
  }
}

inline F32x16 sign(F32x16 x) {
  const F32x16 zero = set1(0.0f);
  return select(less(zero, x), set1(1.0f), select(less(x, zero), set1(-1.0f), x));
}
inline F32x16 unit_clamp(F32x16 x) { return min(set1(1.0f), max(set1(0.0f), x)); }

inline void run_unary(const UnaryArgs& args, UnaryKind kind, const ActivationKernel& kernel) {
  const F32x16 zero = set1(0.0f), one = set1(1.0f);
  const F32x16 alpha = set1(args.alpha), beta = set1(args.beta);
  switch (kind) {
    case UnaryKind::relu:
      return activate(args, ActivationKind::relu, kernel);
    case UnaryKind::gelu_erf:
      return activate(args, ActivationKind::gelu_erf, kernel);
    case UnaryKind::gelu_tanh:
      return activate(args, ActivationKind::gelu_tanh, kernel);
    case UnaryKind::gelu_sigmoid:
      return activate(args, ActivationKind::gelu_sigmoid, kernel);
    case UnaryKind::silu:
      return activate(args, ActivationKind::silu, kernel);
    case UnaryKind::sigmoid:
      return activate(args, ActivationKind::sigmoid, kernel);
    case UnaryKind::tanh:
      return activate(args, ActivationKind::tanh, kernel);
    case UnaryKind::exp:
      return map(args, [](F32x16 x) { return exp(x); });
    case UnaryKind::log:
      return map(args, [](F32x16 x) { return log(x); });
    case UnaryKind::sqrt:
      return map(args, [](F32x16 x) { return sqrt(x); });
    case UnaryKind::rsqrt:
      return map(args, [&](F32x16 x) { return one / sqrt(x); });
    case UnaryKind::reciprocal:
      return map(args, [&](F32x16 x) { return one / x; });
    case UnaryKind::neg:
      return map(args, [](F32x16 x) { return neg(x); });
    case UnaryKind::abs:
      return map(args, [](F32x16 x) { return abs(x); });
    case UnaryKind::erf:
      return map(args, [](F32x16 x) { return erf(x); });
    case UnaryKind::floor:
      return map(args, [](F32x16 x) { return floor(x); });
    case UnaryKind::ceil:
      return map(args, [](F32x16 x) { return ceil(x); });
    case UnaryKind::round:
      return map(args, [](F32x16 x) { return round_even(x); });
    case UnaryKind::sin:
      return map_scalar(args, scalar::sin);
    case UnaryKind::cos:
      return map_scalar(args, scalar::cos);
    case UnaryKind::sign:
      return map(args, [](F32x16 x) { return sign(x); });
    case UnaryKind::softplus:
      return map(args, [&](F32x16 x) { return relu(x) + log(one + exp_below_max(neg(abs(x)))); });
    case UnaryKind::leaky_relu:
      return map(args, [&](F32x16 x) { return select(less(x, zero), alpha * x, x); });
    case UnaryKind::elu:
      return map(args, [&](F32x16 x) {
        return select(less(x, zero), alpha * (exp_below_max(min(zero, x)) - one), x);
      });
    case UnaryKind::hard_sigmoid:
      return map(args, [&](F32x16 x) { return unit_clamp(fma(alpha, x, beta)); });
    case UnaryKind::hard_swish:
      return map(args,
                 [&](F32x16 x) { return x * unit_clamp(fma(set1(1.0f / 6.0f), x, set1(0.5f))); });
    case UnaryKind::logical_not:
    case UnaryKind::is_nan:
      return;
  }
}

/// Sixteen values of an operand that walks or stands still.
inline F32x16 operand(const float* p, int32_t step, int64_t i) {
  return step == 0 ? set1(*p) : load(p + i);
}
inline F32x16 operand_partial(const float* p, int32_t step, int64_t i, int32_t n) {
  return step == 0 ? set1(*p) : load_partial(p + i, n);
}

template <class F>
inline void combine(const BinaryArgs& args, F f) {
  int64_t i = 0;
  for (; i + 16 <= args.n; i += 16) {
    store(args.y + i, f(operand(args.a, args.a_step, i), operand(args.b, args.b_step, i)));
  }
  if (i < args.n) {
    const auto left = static_cast<int32_t>(args.n - i);
    const F32x16 a = operand_partial(args.a, args.a_step, i, left);
    const F32x16 b = operand_partial(args.b, args.b_step, i, left);
    store_partial(args.y + i, f(a, b), left);
  }
}

inline void combine_scalar(const BinaryArgs& args, float (*f)(float, float)) {
  for (int64_t i = 0; i < args.n; ++i) {
    args.y[i] = f(args.a[i * args.a_step], args.b[i * args.b_step]);
  }
}

void binary(const BinaryArgs& args, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::add:
      return combine(args, [](F32x16 a, F32x16 b) { return a + b; });
    case BinaryKind::sub:
      return combine(args, [](F32x16 a, F32x16 b) { return a - b; });
    case BinaryKind::mul:
      return combine(args, [](F32x16 a, F32x16 b) { return a * b; });
    case BinaryKind::div:
      return combine(args, [](F32x16 a, F32x16 b) { return a / b; });
    case BinaryKind::min:
      return combine(args, [](F32x16 a, F32x16 b) { return min(a, b); });
    case BinaryKind::max:
      return combine(args, [](F32x16 a, F32x16 b) { return max(a, b); });
    case BinaryKind::pow:
      if (args.b_step == 0 && *args.b == 2.0f) {
        return combine(args, [](F32x16 a, F32x16) { return a * a; });
      }
      if (args.b_step == 0 && *args.b == 3.0f) {
        return combine(args, [](F32x16 a, F32x16) { return a * a * a; });
      }
      return combine_scalar(args, scalar::pow);
    case BinaryKind::mod:
      return combine_scalar(args, fmodf);
    default:
      return;
  }
}

template <class F>
inline void compare_with(const CompareArgs& args, F f) {
  int64_t i = 0;
  for (; i + 16 <= args.n; i += 16) {
    store_mask(args.y + i, f(operand(args.a, args.a_step, i), operand(args.b, args.b_step, i)));
  }
  if (i < args.n) {
    const auto left = static_cast<int32_t>(args.n - i);
    const F32x16 a = operand_partial(args.a, args.a_step, i, left);
    const F32x16 b = operand_partial(args.b, args.b_step, i, left);
    uint8_t results[16];
    store_mask(results, f(a, b));
    for (int32_t l = 0; l < left; ++l) args.y[i + l] = results[l];
  }
}

void compare(const CompareArgs& args, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::equal:
      return compare_with(args, [](F32x16 a, F32x16 b) { return equal(a, b); });
    case BinaryKind::less:
      return compare_with(args, [](F32x16 a, F32x16 b) { return less(a, b); });
    case BinaryKind::less_equal:
      return compare_with(args, [](F32x16 a, F32x16 b) { return less_equal(a, b); });
    case BinaryKind::greater:
      return compare_with(args, [](F32x16 a, F32x16 b) { return less(b, a); });
    case BinaryKind::greater_equal:
      return compare_with(args, [](F32x16 a, F32x16 b) { return less_equal(b, a); });
    default:
      return;
  }
}

void select_runs(const SelectArgs& args) {
  int64_t i = 0;
  if (args.condition_step == 1) {
    for (; i + 16 <= args.n; i += 16) {
      const F32x16 a = operand(args.a, args.a_step, i), b = operand(args.b, args.b_step, i);
      store(args.y + i, select(load_mask(args.condition + i), a, b));
    }
  }
  for (; i < args.n; ++i) {
    const bool first = args.condition[i * args.condition_step] != 0;
    args.y[i] = first ? args.a[i * args.a_step] : args.b[i * args.b_step];
  }
}

void add_rows(const AddRowsArgs& args) {
  int32_t at = args.r_first % args.r_rows;
  RowsArgs row = args.rows;
  row.rows = 1;
  for (int32_t m = 0; m < args.rows.rows; ++m) {
    const float* r = args.r + at * args.r_step;
    map_rows(row, [r](F32x16 v, int32_t i, int32_t n) {
      return v + (n == 16 ? load(r + i) : load_partial(r + i, n));
    });
    row.x += row.x_step;
    row.y += row.y_step;
    if (row.absmax != nullptr) ++row.absmax;
    at = at + 1 == args.r_rows ? 0 : at + 1;
  }
}

}  // namespace
}  // namespace heed
