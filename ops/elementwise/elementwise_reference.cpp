#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/simd/scalar_math.h"

namespace heed {
namespace {

float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
float unit_clamp(float x) { return scalar::min(1.0f, scalar::max(0.0f, x)); }

float unary_value(float x, const UnaryArgs& args, UnaryKind kind) {
  switch (kind) {
    case UnaryKind::relu:
      return scalar::max(x, 0.0f);
    case UnaryKind::gelu_erf:
      return scalar::gelu_erf(x);
    case UnaryKind::gelu_tanh:
      return scalar::gelu_tanh(x);
    case UnaryKind::gelu_sigmoid:
      return scalar::gelu_sigmoid(x);
    case UnaryKind::silu:
      return scalar::silu(x);
    case UnaryKind::sigmoid:
      return scalar::sigmoid(x);
    case UnaryKind::tanh:
      return scalar::tanh(x);
    case UnaryKind::exp:
      return scalar::exp(x);
    case UnaryKind::log:
      return scalar::log(x);
    case UnaryKind::sqrt:
      return std::sqrt(x);
    case UnaryKind::rsqrt:
      return 1.0f / std::sqrt(x);
    case UnaryKind::reciprocal:
      return 1.0f / x;
    case UnaryKind::neg:
      return -x;
    case UnaryKind::abs:
      return std::fabs(x);
    case UnaryKind::erf:
      return scalar::erf(x);
    case UnaryKind::floor:
      return std::floor(x);
    case UnaryKind::ceil:
      return std::ceil(x);
    case UnaryKind::round:
      return std::nearbyint(x);
    case UnaryKind::sin:
      return scalar::sin(x);
    case UnaryKind::cos:
      return scalar::cos(x);
    case UnaryKind::sign:
      return sign(x);
    case UnaryKind::softplus:
      return scalar::max(x, 0.0f) + scalar::log(1.0f + scalar::exp(-std::fabs(x)));
    case UnaryKind::leaky_relu:
      return x < 0.0f ? args.alpha * x : x;
    case UnaryKind::elu:
      return x < 0.0f ? args.alpha * (scalar::exp(x) - 1.0f) : x;
    case UnaryKind::hard_sigmoid:
      return unit_clamp(std::fma(args.alpha, x, args.beta));
    case UnaryKind::hard_swish:
      return x * unit_clamp(std::fma(1.0f / 6.0f, x, 0.5f));
    case UnaryKind::logical_not:
    case UnaryKind::is_nan:
      break;
  }
  return x;
}

float binary_value(float a, float b, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::add:
      return a + b;
    case BinaryKind::sub:
      return a - b;
    case BinaryKind::mul:
      return a * b;
    case BinaryKind::div:
      return a / b;
    case BinaryKind::pow:
      return scalar::pow(a, b);
    case BinaryKind::min:
      return scalar::min(a, b);
    case BinaryKind::max:
      return scalar::max(a, b);
    case BinaryKind::mod:
      return std::fmod(a, b);
    default:
      return 0.0f;
  }
}

bool compare_value(float a, float b, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::less:
      return a < b;
    case BinaryKind::less_equal:
      return a <= b;
    case BinaryKind::greater:
      return a > b;
    case BinaryKind::greater_equal:
      return a >= b;
    default:
      return a == b;
  }
}

void unary(const UnaryArgs& args, UnaryKind kind) {
  for (int64_t i = 0; i < args.n; ++i) args.y[i] = unary_value(args.x[i], args, kind);
}

void binary(const BinaryArgs& args, BinaryKind kind) {
  for (int64_t i = 0; i < args.n; ++i) {
    args.y[i] = binary_value(args.a[i * args.a_step], args.b[i * args.b_step], kind);
  }
}

void compare(const CompareArgs& args, BinaryKind kind) {
  for (int64_t i = 0; i < args.n; ++i) {
    args.y[i] = compare_value(args.a[i * args.a_step], args.b[i * args.b_step], kind);
  }
}

void select_runs(const SelectArgs& args) {
  for (int64_t i = 0; i < args.n; ++i) {
    const bool first = args.condition[i * args.condition_step] != 0;
    args.y[i] = first ? args.a[i * args.a_step] : args.b[i * args.b_step];
  }
}

void add_rows(const AddRowsArgs& args) {
  const RowsArgs& rows = args.rows;
  for (int32_t m = 0; m < rows.rows; ++m) {
    const float* x = rows.x + m * rows.x_step;
    const float* r = args.r + (args.r_first + m) % args.r_rows * args.r_step;
    float* y = rows.y + m * rows.y_step;
    float absmax = 0.0f;
    for (int32_t i = 0; i < rows.n; ++i) {
      y[i] = x[i] + r[i];
      absmax = scalar::max(absmax, std::fabs(y[i]));
    }
    if (rows.absmax != nullptr) rows.absmax[m] = absmax;
  }
}

}  // namespace

extern const ElementwiseKernel kElementwiseReference;
const ElementwiseKernel kElementwiseReference = {"reference", IsaSet(),    unary,   binary,
                                                 compare,     select_runs, add_rows};

}  // namespace heed
