// ONNX elementwise ops, one value at a time.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "converter/graph/convert_error.h"
#include "converter/lowering.h"

namespace heed {
namespace {

using graph::Constant;
using graph::Node;
using graph::ValueId;
using graph::kNoValue;

struct UnaryName {
  const char* op;
  fb::UnaryKind kind;
  float alpha, beta;  // ONNX's defaults
};
constexpr UnaryName kUnaryNames[] = {
    {"Relu", fb::UnaryKind::relu, 0, 0},
    {"Sigmoid", fb::UnaryKind::sigmoid, 0, 0},
    {"Tanh", fb::UnaryKind::tanh, 0, 0},
    {"Exp", fb::UnaryKind::exp, 0, 0},
    {"Log", fb::UnaryKind::log, 0, 0},
    {"Sqrt", fb::UnaryKind::sqrt, 0, 0},
    {"Reciprocal", fb::UnaryKind::reciprocal, 0, 0},
    {"Neg", fb::UnaryKind::neg, 0, 0},
    {"Abs", fb::UnaryKind::abs, 0, 0},
    {"Erf", fb::UnaryKind::erf, 0, 0},
    {"Floor", fb::UnaryKind::floor, 0, 0},
    {"Ceil", fb::UnaryKind::ceil, 0, 0},
    {"Round", fb::UnaryKind::round, 0, 0},
    {"Sin", fb::UnaryKind::sin, 0, 0},
    {"Cos", fb::UnaryKind::cos, 0, 0},
    {"Sign", fb::UnaryKind::sign, 0, 0},
    {"Not", fb::UnaryKind::logical_not, 0, 0},
    {"Softplus", fb::UnaryKind::softplus, 0, 0},
    {"LeakyRelu", fb::UnaryKind::leaky_relu, 0.01f, 0},
    {"Elu", fb::UnaryKind::elu, 1, 0},
    {"HardSigmoid", fb::UnaryKind::hard_sigmoid, 0.2f, 0.5f},
    {"HardSwish", fb::UnaryKind::hard_swish, 0, 0},
    {"IsNaN", fb::UnaryKind::is_nan, 0, 0},
    {"Gelu", fb::UnaryKind::gelu_erf, 0, 0},
};

struct BinaryName {
  const char* op;
  fb::BinaryKind kind;
};
constexpr BinaryName kBinaryNames[] = {
    {"Add", fb::BinaryKind::add},
    {"Sub", fb::BinaryKind::sub},
    {"Mul", fb::BinaryKind::mul},
    {"Div", fb::BinaryKind::div},
    {"Pow", fb::BinaryKind::pow},
    {"Min", fb::BinaryKind::min},
    {"Max", fb::BinaryKind::max},
    {"Sum", fb::BinaryKind::add},
    {"Mod", fb::BinaryKind::mod},
    {"Equal", fb::BinaryKind::equal},
    {"Less", fb::BinaryKind::less},
    {"LessOrEqual", fb::BinaryKind::less_equal},
    {"Greater", fb::BinaryKind::greater},
    {"GreaterOrEqual", fb::BinaryKind::greater_equal},
    {"And", fb::BinaryKind::logical_and},
    {"Or", fb::BinaryKind::logical_or},
    {"Xor", fb::BinaryKind::logical_xor},
};

Dims broadcast(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const uint32_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace

bool Lowering::lower_unary(const Node& node) {
  const auto* found = std::find_if(std::begin(kUnaryNames), std::end(kUnaryNames),
                                   [&](const UnaryName& entry) { return node.op == entry.op; });
  if (found == std::end(kUnaryNames)) return false;
  fb::UnaryOptionsT options;
  options.kind = found->kind;
  if (node.op == "Gelu" && node.string_or("approximate", "none") == "tanh")
    options.kind = fb::UnaryKind::gelu_tanh;
  options.alpha = node.float_or("alpha", found->alpha);
  options.beta = node.float_or("beta", found->beta);
  const int32_t x = plain(node.inputs[0]);
  emit(node.name, std::move(options), {x}, {make_plain(node.outputs[0])});
  return true;
}

int32_t Lowering::binary(const Node& node, fb::BinaryKind kind, int32_t a, int32_t b, int32_t out) {
  fb::BinaryOptionsT options;
  options.kind = kind;
  emit(node.name, std::move(options), {a, b}, {out});
  return out;
}

int32_t Lowering::broadcast_of(int32_t a, int32_t b, const Node& node, DataType type) {
  return scratch(node, "part", type, broadcast(file_.tensor(a).shape, file_.tensor(b).shape));
}

/// Two operands, or for Min, Max, Sum and Mean any number, taken pair by pair.
bool Lowering::lower_binary(const Node& node) {
  if (node.is("Clip")) return lower_clip(node);
  if (node.is("PRelu")) return lower_prelu(node);
  if (node.is("BatchNormalization")) return lower_affine(node);
  if (node.is("Where")) {
    const int32_t condition = plain(node.inputs[0]);
    const int32_t a = plain(node.inputs[1]), b = plain(node.inputs[2]);
    emit(node.name, fb::SelectOptionsT{}, {condition, a, b}, {make_plain(node.outputs[0])});
    return true;
  }
  const bool mean = node.is("Mean");
  const auto* found = std::find_if(std::begin(kBinaryNames), std::end(kBinaryNames),
                                   [&](const BinaryName& entry) { return node.op == entry.op; });
  if (found == std::end(kBinaryNames) && !mean) return false;
  const fb::BinaryKind kind = mean ? fb::BinaryKind::add : found->kind;
  if (node.is("Mod") && graph_.value(node.inputs[0]).dtype == graph::DType::f32 &&
      node.int_or("fmod", 0) == 0)
    throw ConvertError("a float Mod must have fmod=1");
  if (node.is("Mod") && node.int_or("fmod", 0) == 1 &&
      graph_.value(node.inputs[0]).dtype == graph::DType::i64)
    throw ConvertError("fmod=1 on integers (the sign of the dividend) is not computed");
  const int32_t out = make_plain(node.outputs[0]);
  int32_t left = plain(node.inputs[0]);
  if (node.inputs.size() == 1 && !mean) {
    emit(node.name, fb::CopyOptionsT{}, {left}, {out});
    return true;
  }
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const int32_t right = plain(node.inputs[i]);
    const bool last = i + 1 == node.inputs.size() && !mean;
    const DataType type = file_.tensor(left).dtype;
    left = binary(node, kind, left, right, last ? out : broadcast_of(left, right, node, type));
  }
  if (mean) {
    const float share = 1.0f / static_cast<float>(node.inputs.size());
    binary(node, fb::BinaryKind::mul, left, float_constant(node.name + ":share", {}, {share}), out);
  }
  return true;
}

bool Lowering::lower_clip(const Node& node) {
  // Bounds are attributes up to opset 6 and operands, each of which may be left out, from 11 on.
  int32_t bounds[2] = {-1, -1};
  const char* keys[2] = {"min", "max"};
  for (size_t i = 0; i < 2; ++i) {
    if (node.has(keys[i]))
      bounds[i] = float_constant(node.name + ":" + keys[i], {}, {node.float_or(keys[i], 0)});
    else if (node.inputs.size() > i + 1 && node.inputs[i + 1] != kNoValue)
      bounds[i] = plain(node.inputs[i + 1]);
  }
  const int32_t x = plain(node.inputs[0]);
  const int32_t out = make_plain(node.outputs[0]);
  int32_t value = x;
  if (bounds[0] >= 0) {
    const int32_t into =
        bounds[1] < 0 ? out : broadcast_of(x, bounds[0], node, file_.tensor(x).dtype);
    value = binary(node, fb::BinaryKind::max, value, bounds[0], into);
  }
  if (bounds[1] >= 0) value = binary(node, fb::BinaryKind::min, value, bounds[1], out);
  if (value == x) emit(node.name, fb::CopyOptionsT{}, {x}, {out});
  return true;
}

/// max(x, 0) + slope * min(x, 0)
bool Lowering::lower_prelu(const Node& node) {
  const int32_t x = plain(node.inputs[0]), slope = plain(node.inputs[1]);
  const int32_t zero = float_constant(node.name + ":zero", {}, {0.0f});
  const Dims dims = to_dims(shape(node.inputs[0]));
  const int32_t positive = scratch(node, "positive", DataType::f32, dims);
  const int32_t negative = scratch(node, "negative", DataType::f32, dims);
  const int32_t sloped = scratch(node, "sloped", DataType::f32, dims);
  binary(node, fb::BinaryKind::max, x, zero, positive);
  binary(node, fb::BinaryKind::min, x, zero, negative);
  binary(node, fb::BinaryKind::mul, negative, slope, sloped);
  binary(node, fb::BinaryKind::add, positive, sloped, make_plain(node.outputs[0]));
  return true;
}

/// BatchNormalization at inference: one multiply and one add per channel (dimension 1).
bool Lowering::lower_affine(const Node& node) {
  const Constant* parts[4] = {};
  for (size_t i = 0; i < 4; ++i) {
    parts[i] = graph_.constant(node.inputs[i + 1]);
    if (!parts[i]) throw ConvertError("its statistics are not constant");
  }
  const float epsilon = node.float_or("epsilon", 1e-5f);
  const size_t channels = parts[0]->f32.size();
  std::vector<float> scale(channels), shift(channels);
  for (size_t c = 0; c < channels; ++c) {
    scale[c] = parts[0]->f32[c] / std::sqrt(parts[3]->f32[c] + epsilon);
    shift[c] = parts[1]->f32[c] - parts[2]->f32[c] * scale[c];
  }
  const Dims dims = to_dims(shape(node.inputs[0]));
  Dims per_channel(dims.size() - 1, 1);
  per_channel[0] = static_cast<uint32_t>(channels);
  const int32_t x = plain(node.inputs[0]);
  const int32_t scaled = scratch(node, "scaled", DataType::f32, dims);
  binary(node, fb::BinaryKind::mul, x, float_constant(node.name + ":scale", per_channel, scale),
         scaled);
  binary(node, fb::BinaryKind::add, scaled,
         float_constant(node.name + ":shift", per_channel, shift), make_plain(node.outputs[0]));
  return true;
}

}  // namespace heed
