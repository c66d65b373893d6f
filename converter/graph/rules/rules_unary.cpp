// Ops of one operand, element by element, and casts.

#include <algorithm>
#include <cmath>
#include <limits>

#include "converter/graph/rules/element_types.h"
#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"

namespace heed::graph {
namespace {

void infer_same(OpCall& call) { call.same_as(0); }

void infer_float(OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.same_as(0);
}

void infer_test(OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.result(0, DType::boolean, call.shape(0));
}

template <class F>
void each_float(OpCall& call, F f) {
  const std::vector<float>& x = call.f32(0);
  std::transform(x.begin(), x.end(), call.y().begin(), f);
}

/// Ops that integers have as well.
template <class F, class G>
void each_number(OpCall& call, F f, G g) {
  if (call.in(0).dtype == DType::f32) {
    each_float(call, f);
  } else {
    const std::vector<int64_t>& x = call.i64(0);
    std::transform(x.begin(), x.end(), call.yi().begin(), g);
  }
}

template <float (*F)(float)>
void each(OpCall& call) {
  each_float(call, F);
}

float reciprocal(float x) { return 1.0f / x; }
float softplus(float x) { return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x))); }
float softsign(float x) { return x / (1.0f + std::abs(x)); }
float mish(float x) { return x * std::tanh(softplus(x)); }
float hard_swish(float x) { return x * std::clamp(x / 6.0f + 0.5f, 0.0f, 1.0f); }
float round_even(float x) { return std::nearbyint(x); }
float sqrt_of(float x) { return std::sqrt(x); }
float exp_of(float x) { return std::exp(x); }
float log_of(float x) { return std::log(x); }
float erf_of(float x) { return std::erf(x); }
float sin_of(float x) { return std::sin(x); }
float cos_of(float x) { return std::cos(x); }
float tan_of(float x) { return std::tan(x); }
float atan_of(float x) { return std::atan(x); }
float tanh_of(float x) { return std::tanh(x); }
float floor_of(float x) { return std::floor(x); }
float ceil_of(float x) { return std::ceil(x); }

void evaluate_abs(OpCall& call) {
  each_number(
      call, [](float x) { return std::abs(x); },
      [](int64_t x) { return x < 0 ? wrapping_subtract(0, x) : x; });
}

void evaluate_neg(OpCall& call) {
  each_number(
      call, [](float x) { return -x; }, [](int64_t x) { return wrapping_subtract(0, x); });
}

void evaluate_sign(OpCall& call) {
  each_number(
      call, [](float x) { return x > 0   ? 1.0f
                                 : x < 0 ? -1.0f
                                         : x; },
      [](int64_t x) { return static_cast<int64_t>((x > 0) - (x < 0)); });
}

void evaluate_relu(OpCall& call) {
  each_number(
      call, [](float x) { return x < 0 ? 0.0f : x; },
      [](int64_t x) { return std::max<int64_t>(x, 0); });
}

void evaluate_leaky_relu(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 0.01f);
  each_float(call, [=](float x) { return x < 0 ? alpha * x : x; });
}

void evaluate_elu(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 1.0f);
  each_float(call, [=](float x) { return x < 0 ? alpha * std::expm1(x) : x; });
}

void evaluate_celu(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 1.0f);
  each_float(call, [=](float x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; });
}

void evaluate_selu(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 1.6732632f);
  const float gamma = call.node.float_or("gamma", 1.050701f);
  each_float(call, [=](float x) { return gamma * (x < 0 ? alpha * std::expm1(x) : x); });
}

void evaluate_hard_sigmoid(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 0.2f), beta = call.node.float_or("beta", 0.5f);
  each_float(call, [=](float x) { return std::clamp(alpha * x + beta, 0.0f, 1.0f); });
}

void evaluate_swish(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 1.0f);
  each_float(call, [=](float x) { return x * sigmoid(alpha * x); });
}

void evaluate_gelu(OpCall& call) {
  call.y() = call.f32(0);
  const bool tanh_form = call.node.string_or("approximate", "none") == "tanh";
  apply_activation(tanh_form ? "GeluTanh" : "GeluErf", call.y().data(), call.elements(0));
}

void infer_clip(OpCall& call) {
  for (size_t bound = 1; bound < 3; ++bound) {
    call.need(!call.has(bound) || call.elements(bound) == 1, "a bound must be a scalar");
  }
  call.same_as(0);
}

void evaluate_clip(OpCall& call) {  // before opset 11 the bounds are attributes
  if (call.in(0).dtype == DType::f32) {
    const float all = std::numeric_limits<float>::infinity();
    const float low = call.constant_scalar(1, call.node.float_or("min", -all));
    const float high = call.constant_scalar(2, call.node.float_or("max", all));
    each_float(call, [=](float x) { return std::min(std::max(x, low), high); });
    return;
  }
  const int64_t low = call.has(1) ? call.i64(1)[0] : INT64_MIN;
  const int64_t high = call.has(2) ? call.i64(2)[0] : INT64_MAX;
  std::transform(call.i64(0).begin(), call.i64(0).end(), call.yi().begin(),
                 [=](int64_t x) { return std::min(std::max(x, low), high); });
}

void infer_not(OpCall& call) {
  call.need_dtype(0, DType::boolean);
  call.same_as(0);
}

void evaluate_not(OpCall& call) {
  std::transform(call.i64(0).begin(), call.i64(0).end(), call.yi().begin(),
                 [](int64_t x) { return static_cast<int64_t>(x == 0); });
}

void evaluate_is_nan(OpCall& call) {
  std::transform(call.f32(0).begin(), call.f32(0).end(), call.yi().begin(),
                 [](float x) { return static_cast<int64_t>(std::isnan(x)); });
}

void evaluate_is_inf(OpCall& call) {
  const bool up = call.node.int_or("detect_positive", 1) != 0;
  const bool down = call.node.int_or("detect_negative", 1) != 0;
  std::transform(call.f32(0).begin(), call.f32(0).end(), call.yi().begin(), [=](float x) {
    return static_cast<int64_t>(std::isinf(x) && (x > 0 ? up : down));
  });
}

// TensorProto.DataType
constexpr int64_t kFloat = 1, kUint8 = 2, kInt8 = 3, kUint16 = 4, kInt16 = 5, kInt32 = 6,
                  kInt64 = 7, kBool = 9, kFloat16 = 10, kDouble = 11, kUint32 = 12, kUint64 = 13,
                  kBfloat16 = 16;

void infer_cast(OpCall& call) {
  switch (const int64_t to = call.node.int_or("to", 0)) {
    case kFloat:
    case kFloat16:
    case kDouble:
    case kBfloat16:
      return call.result(0, DType::f32, call.shape(0));
    case kUint8:
    case kInt8:
    case kUint16:
    case kInt16:
    case kInt32:
    case kInt64:
    case kUint32:
    case kUint64:
      return call.result(0, DType::i64, call.shape(0));
    case kBool:
      return call.result(0, DType::boolean, call.shape(0));
    default:
      call.fail("element type " + std::to_string(to) + " of ONNX is not supported");
  }
}

int64_t narrow(int64_t x, int64_t to) {
  switch (to) {
    case kUint8:
      return static_cast<uint8_t>(x);
    case kInt8:
      return static_cast<int8_t>(x);
    case kUint16:
      return static_cast<uint16_t>(x);
    case kInt16:
      return static_cast<int16_t>(x);
    case kInt32:
      return static_cast<int32_t>(x);
    case kUint32:
      return static_cast<uint32_t>(x);
    default:
      return x;
  }
}

void convert_elements(OpCall& call, DType type, int64_t to) {
  const Operand& x = call.in(0);
  if (x.dtype == DType::string) call.fail("strings cannot be cast");
  const bool from_float = x.dtype == DType::f32;
  if (type == DType::f32) {
    call.y() = as_floats(x);
  } else if (type == DType::boolean) {
    for (size_t i = 0; i < call.yi().size(); ++i) {
      call.yi()[i] = from_float ? x.value->f32[i] != 0.0f : x.value->i64[i] != 0;
    }
  } else {
    for (size_t i = 0; i < call.yi().size(); ++i) {
      call.yi()[i] = narrow(from_float ? to_integer(x.value->f32[i]) : x.value->i64[i], to);
    }
  }
}

void evaluate_cast(OpCall& call) {
  convert_elements(call, call.results[0].dtype, call.node.int_or("to", 0));
}

void infer_cast_like(OpCall& call) { call.result(0, call.in(1).dtype, call.shape(0)); }

void evaluate_cast_like(OpCall& call) { convert_elements(call, call.in(1).dtype, kInt64); }

void evaluate_identity(OpCall& call) {
  call.results[0].f32 = call.in(0).value->f32;
  call.results[0].i64 = call.in(0).value->i64;
}

void infer_dropout(OpCall& call) {  // inference: the identity, and a mask of ones
  call.need(call.constant_scalar(2, 0.0f) == 0.0f, "training mode is not supported");
  call.same_as(0);
  call.result(1, DType::boolean, call.shape(0));
}

void evaluate_dropout(OpCall& call) {
  evaluate_identity(call);
  if (call.results.size() > 1) std::fill(call.yi(1).begin(), call.yi(1).end(), 1);
}

constexpr OpRule kUnaryRules[] = {
    {"", "Abs", infer_same, evaluate_abs},
    {"", "Atan", infer_float, each<atan_of>},
    {"", "Cast", infer_cast, evaluate_cast},
    {"", "CastLike", infer_cast_like, evaluate_cast_like},
    {"", "Ceil", infer_float, each<ceil_of>},
    {"", "Celu", infer_float, evaluate_celu},
    {"", "Clip", infer_clip, evaluate_clip},
    {"", "Cos", infer_float, each<cos_of>},
    {"", "Dropout", infer_dropout, evaluate_dropout},
    {"", "Elu", infer_float, evaluate_elu},
    {"", "Erf", infer_float, each<erf_of>},
    {"", "Exp", infer_float, each<exp_of>},
    {"", "Floor", infer_float, each<floor_of>},
    {"", "Gelu", infer_float, evaluate_gelu},
    {"", "HardSigmoid", infer_float, evaluate_hard_sigmoid},
    {"", "HardSwish", infer_float, each<hard_swish>},
    {"", "Identity", infer_same, evaluate_identity},
    {"", "IsInf", infer_test, evaluate_is_inf},
    {"", "IsNaN", infer_test, evaluate_is_nan},
    {"", "LeakyRelu", infer_float, evaluate_leaky_relu},
    {"", "Log", infer_float, each<log_of>},
    {"", "Mish", infer_float, each<mish>},
    {"", "Neg", infer_same, evaluate_neg},
    {"", "Not", infer_not, evaluate_not},
    {"", "Reciprocal", infer_float, each<reciprocal>},
    {"", "Relu", infer_same, evaluate_relu},
    {"", "Round", infer_float, each<round_even>},
    {"", "Selu", infer_float, evaluate_selu},
    {"", "Sigmoid", infer_float, each<sigmoid>},
    {"", "Sign", infer_same, evaluate_sign},
    {"", "Sin", infer_float, each<sin_of>},
    {"", "Softplus", infer_float, each<softplus>},
    {"", "Softsign", infer_float, each<softsign>},
    {"", "Sqrt", infer_float, each<sqrt_of>},
    {"", "Swish", infer_float, evaluate_swish},
    {"", "Tan", infer_float, each<tan_of>},
    {"", "Tanh", infer_float, each<tanh_of>},
};

}  // namespace

std::span<const OpRule> unary_rules() { return kUnaryRules; }

}  // namespace heed::graph
