// LayerNormalization, RMSNormalization and their decomposed spellings -> Norm.

#include <algorithm>
#include <optional>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

/// What a norm is over: the last dimension, or, as Keras has it where batch normalisation computes
/// it, all dimensions but the last.
enum class Along { rows, columns };

/// A mean over the last dimension, or over all others; dimensions of one may be among them.
bool is_mean(const Graph& graph, const Node& node, Along along) {
  if (!node.is("ReduceMean")) return false;
  const auto axes = reduced_axes(graph, node);
  const Shape& shape = shape_of(graph, node.inputs[0]);
  if (!axes || shape.size() < (along == Along::rows ? 1 : 2)) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool wanted = (i + 1 == shape.size()) == (along == Along::rows);
    const bool reduced =
        std::find(axes->begin(), axes->end(), static_cast<int64_t>(i)) != axes->end();
    if (reduced != wanted && (shape[i] != 1 || i + 1 == shape.size())) return false;
  }
  return true;
}

/// Whether a value with one element for each mean, or one for each element, is broadcast to x so
/// that each mean meets what it is of.
bool meets(const Graph& graph, ValueId value, ValueId x, Along along) {
  const Shape& shape = shape_of(graph, value);
  Shape kept = shape_of(graph, x);
  if (shape == kept) return true;
  if (along == Along::columns)
    return without_leading_ones(shape) == without_leading_ones({kept.back()});
  kept.back() = 1;
  return without_leading_ones(shape) == without_leading_ones(kept);
}

/// What stands before Reshapes: means in another shape.
ValueId reshaped_from(const Graph& graph, ValueId value) {
  while (const Node* reshape = graph.producer(value, "Reshape")) value = reshape->inputs[0];
  return value;
}

/// x where value = x - mean(x); kNoValue otherwise.
ValueId centred_from(const Graph& graph, ValueId value, Along along = Along::rows) {
  const Node* sub = graph.producer(value, "Sub");
  if (sub == nullptr) return kNoValue;
  const NodeId mean = graph.producer_id(reshaped_from(graph, sub->inputs[1]));
  if (mean == kNoNode || !is_mean(graph, graph.node(mean), along)) return kNoValue;
  if (!meets(graph, sub->inputs[1], sub->inputs[0], along)) return kNoValue;
  return graph.node(mean).inputs[0] == sub->inputs[0] ? sub->inputs[0] : kNoValue;
}

/// sqrt(mean(base^2) + epsilon): the divisor of a norm.
struct Deviation {
  ValueId base;
  float epsilon;
};

std::optional<Deviation> deviation_of(const Graph& graph, ValueId value,
                                      Along along = Along::rows) {
  const Node* root = graph.producer(value, "Sqrt");
  const Node* add = root == nullptr ? nullptr : graph.producer(root->inputs[0], "Add");
  if (add == nullptr) return std::nullopt;
  const auto operand = scalar_operand(graph, *add);
  if (!operand) return std::nullopt;
  const NodeId mean = graph.producer_id(reshaped_from(graph, operand->other));
  if (mean == kNoNode || !is_mean(graph, graph.node(mean), along)) return std::nullopt;
  const Node* square = graph.producer(graph.node(mean).inputs[0], "Mul");
  if (square == nullptr || square->inputs[0] != square->inputs[1]) return std::nullopt;
  return Deviation{square->inputs[0], operand->scalar};
}

/// gamma / deviation; the gamma may be left out.
struct Factor {
  Deviation deviation;
  std::optional<std::vector<float>> gamma;
};

std::optional<Factor> factor_of(const Graph& graph, ValueId value, Along along = Along::rows) {
  std::optional<ConstantOperand> scaled;
  const ValueId factors = reshaped_from(graph, value);
  value = factors;
  if (const Node* product = graph.producer(value, "Mul")) {
    scaled = constant_operand(graph, *product);
    if (!scaled) return std::nullopt;
    value = reshaped_from(graph, scaled->other);
  }
  const Node* inverse = graph.producer(value, "Reciprocal");
  const auto deviation = inverse ? deviation_of(graph, inverse->inputs[0], along) : std::nullopt;
  if (!deviation) return std::nullopt;
  Factor factor{*deviation, {}};
  if (scaled) {
    const Shape& shape = shape_of(graph, deviation->base);
    factor.gamma = per_channel(graph, scaled->constant, shape.back());
    const bool is_one = graph.constant(scaled->constant)->elements() == 1;
    if (!factor.gamma || (!is_one && shape_of(graph, factors) != shape)) return std::nullopt;
  }
  return factor;
}

/// A value d / deviation or d * (gamma / deviation).
struct Normalised {
  ValueId dividend;
  Factor factor;
};

std::optional<Normalised> normalised(const Graph& graph, const Node& node) {
  if (node.is("Div")) {
    const auto deviation = deviation_of(graph, node.inputs[1]);
    if (deviation && meets(graph, node.inputs[1], node.inputs[0], Along::rows)) {
      return Normalised{node.inputs[0], {*deviation, {}}};
    }
  }
  if (!node.is("Mul")) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    auto factor = factor_of(graph, node.inputs[i]);
    if (factor && meets(graph, node.inputs[i], node.inputs[1 - i], Along::rows))
      return Normalised{node.inputs[1 - i], std::move(*factor)};
  }
  return std::nullopt;
}

/// The constant [N] that the only user of `value` multiplies by (or adds); moves `value` past it.
std::optional<std::vector<float>> next_constant(const Graph& graph, ValueId& value, const char* op,
                                                std::vector<std::string>& names) {
  const NodeId user = graph.only_user(value);
  if (user == kNoNode || !graph.node(user).is(op)) return std::nullopt;
  const Node& node = graph.node(user);
  const auto operand = constant_operand(graph, node);
  const Shape& shape = shape_of(graph, value);
  if (!operand || shape_of(graph, node.outputs[0]) != shape) return std::nullopt;
  auto constant = per_channel(graph, operand->constant, shape.back());
  if (!constant) return std::nullopt;
  names.push_back(node.name);
  value = node.outputs[0];
  return constant;
}

bool fuse_decomposed(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  const auto match = normalised(graph, node);
  if (!match) return false;
  const ValueId dividend = match->dividend;
  const Deviation deviation = match->factor.deviation;
  if (shape_of(graph, node.outputs[0]) != shape_of(graph, deviation.base)) return false;
  ValueId x = centred_from(graph, deviation.base);
  const bool is_layer = x != kNoValue;
  if (is_layer) {
    if (dividend != deviation.base && centred_from(graph, dividend) != x) return false;
  } else {
    x = deviation.base;
    if (dividend != x) {
      report.missed(
          id, node.op + " '" + node.name + "' is no norm: what it divides is not what it measured");
      return false;
    }
  }
  const int64_t n = shape_of(graph, x).back();
  std::vector<std::string> names = {node.name};
  ValueId end = node.outputs[0];
  auto gamma = match->factor.gamma;
  if (!gamma) gamma = next_constant(graph, end, "Mul", names);
  auto beta = next_constant(graph, end, "Add", names);
  const std::string name = names.back();
  if (!gamma) gamma = std::vector<float>(static_cast<size_t>(n), 1.0f);
  std::vector<ValueId> inputs = {x, add_floats(graph, name + "/gamma", {n}, *gamma)};
  if (beta) inputs.push_back(add_floats(graph, name + "/beta", {n}, *beta));
  replace(graph, end,
          fused_node(
              "Norm", name, inputs,
              {{"kind", std::string(is_layer ? "layer" : "rms")}, {"epsilon", deviation.epsilon}}));
  report.fused("Norm", name, names);
  return true;
}

/// Whether value = -mean(x) * factor, the sign and the product in either order.
bool is_shift_back(const Graph& graph, ValueId value, ValueId x, ValueId factor, bool negative,
                   Along along) {
  value = reshaped_from(graph, value);
  factor = reshaped_from(graph, factor);
  if (const Node* neg = graph.producer(value, "Neg")) {
    return is_shift_back(graph, neg->inputs[0], x, factor, !negative, along);
  }
  const Node* product = graph.producer(value, "Mul");
  if (product == nullptr) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (reshaped_from(graph, product->inputs[i]) != factor) continue;
    ValueId mean = reshaped_from(graph, product->inputs[1 - i]);
    bool minus = negative;
    if (const Node* neg = graph.producer(mean, "Neg")) {
      mean = neg->inputs[0];
      minus = !minus;
    }
    const NodeId id = graph.producer_id(mean);
    if (id != kNoNode && minus && is_mean(graph, graph.node(id), along) &&
        graph.node(id).inputs[0] == x) {
      return true;
    }
  }
  return false;
}

/// The beta of value = beta - mean(x) * factor; nothing where value is something else.
std::optional<std::vector<float>> beta_of(const Graph& graph, ValueId value, ValueId x,
                                          ValueId factor, Along along = Along::rows) {
  const int64_t n = shape_of(graph, x).back();
  if (is_shift_back(graph, value, x, factor, false, along)) {
    return std::vector<float>(static_cast<size_t>(n), 0.0f);
  }
  const NodeId id = graph.producer_id(reshaped_from(graph, value));
  if (id == kNoNode) return std::nullopt;
  const Node& node = graph.node(id);
  const auto operand =
      node.is("Add") || node.is("Sub") ? constant_operand(graph, node) : std::nullopt;
  if (!operand) return std::nullopt;
  const bool is_one = graph.constant(operand->constant)->elements() == 1;
  if (along == Along::rows && !is_one && shape_of(graph, node.outputs[0]) != shape_of(graph, x)) {
    return std::nullopt;
  }
  const bool subtracts = node.is("Sub");
  if (subtracts && operand->constant != node.inputs[0]) return std::nullopt;
  if (!is_shift_back(graph, operand->other, x, factor, subtracts, along)) return std::nullopt;
  return per_channel(graph, operand->constant, n);
}

// TensorFlow's layer norm: x f + (beta - mean(x) f) with f = gamma / deviation.
bool fuse_folded(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Add")) return false;
  for (size_t i = 0; i < 2; ++i) {
    const Node* product = graph.producer(node.inputs[i], "Mul");
    if (product == nullptr) continue;
    for (size_t j = 0; j < 2; ++j) {
      const ValueId x = product->inputs[1 - j], by = product->inputs[j];
      auto factor = factor_of(graph, by);
      if (!factor || centred_from(graph, factor->deviation.base) != x ||
          !meets(graph, by, x, Along::rows) || !meets(graph, node.inputs[1 - i], x, Along::rows) ||
          shape_of(graph, node.outputs[0]) != shape_of(graph, x)) {
        continue;
      }
      auto beta = beta_of(graph, node.inputs[1 - i], x, by);
      if (!beta) continue;
      const int64_t n = shape_of(graph, x).back();
      if (!factor->gamma) factor->gamma = std::vector<float>(static_cast<size_t>(n), 1.0f);
      const std::vector<std::string> names = {product->name, node.name};
      const ValueId gamma = add_floats(graph, node.name + "/gamma", {n}, *factor->gamma);
      const ValueId shift = add_floats(graph, node.name + "/beta", {n}, *beta);
      replace(graph, node.outputs[0],
              fused_node("Norm", node.name, {x, gamma, shift},
                         {{"kind", std::string("layer")}, {"epsilon", factor->deviation.epsilon}}));
      report.fused("Norm", node.name, names);
      return true;
    }
  }
  return false;
}

/// A norm over all dimensions but the last of x, as one over rows between transposes.
void norm_over_columns(Graph& graph, const Node& last, ValueId x, float epsilon) {
  const Shape shape = shape_of(graph, x);
  std::vector<int64_t> perm = {static_cast<int64_t>(shape.size()) - 1};
  for (size_t i = 0; i + 1 < shape.size(); ++i) perm.push_back(static_cast<int64_t>(i));
  const Shape turned = permuted(shape, perm);
  const int64_t columns = shape.back(), n = element_count(shape) / columns;
  const std::string& name = last.name;
  ValueId y = emit_transpose(graph, x, perm, name + "/columns");
  y = emit_reshape(graph, y, {columns, n}, name + "/rows");
  const std::vector<float> ones(static_cast<size_t>(n), 1.0f);
  y = emit(graph,
           fused_node("Norm", name, {y, add_floats(graph, name + "/gamma", {n}, ones)},
                      {{"kind", std::string("layer")}, {"epsilon", epsilon}}),
           {columns, n});
  y = emit_reshape(graph, y, turned, name + "/apart");
  replace(graph, last.outputs[0],
          onnx_node("Transpose", name + "/back", {y}, {{"perm", inverse_permutation(perm)}}));
}

// Keras' layer norm by way of batch normalisation: the same sum as above over [1, N, 1, rows]. What
// scales and shifts it comes later, in another layout.
bool fuse_columns(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Add")) return false;
  for (size_t i = 0; i < 2; ++i) {
    const Node* product = graph.producer(node.inputs[i], "Mul");
    if (product == nullptr) continue;
    for (size_t j = 0; j < 2; ++j) {
      const ValueId x = product->inputs[1 - j], by = product->inputs[j];
      const auto factor = factor_of(graph, by, Along::columns);
      if (!factor || factor->gamma ||
          centred_from(graph, factor->deviation.base, Along::columns) != x ||
          !meets(graph, by, x, Along::columns) ||
          !meets(graph, node.inputs[1 - i], x, Along::columns) ||
          shape_of(graph, node.outputs[0]) != shape_of(graph, x)) {
        continue;
      }
      const auto beta = beta_of(graph, node.inputs[1 - i], x, by, Along::columns);
      const auto is_zero = [](float b) { return b == 0.0f; };
      if (!beta || !std::all_of(beta->begin(), beta->end(), is_zero)) continue;
      report.fused("Norm", node.name, {product->name, node.name});
      norm_over_columns(graph, node, x, factor->deviation.epsilon);
      return true;
    }
  }
  return false;
}

// LayerNormalization; RMSNormalization; SimplifiedLayerNormalization (ONNX Runtime's RMS norm).
bool fuse_named_norm(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  const bool is_layer = node.is("LayerNormalization");
  if (!is_layer && !node.is("RMSNormalization") && !node.is("SimplifiedLayerNormalization") &&
      !node.is("SimplifiedLayerNormalization", kMicrosoft)) {
    return false;
  }
  const auto miss = [&](const char* why) {
    report.missed(id, node.op + " '" + node.name + "' stays general: " + why);
    return false;
  };
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    const ValueId output = node.outputs[i];
    if (output == kNoValue) continue;
    if (!graph.value(output).users.empty() || graph.is_output(output)) {
      return miss("its mean or deviation is used");
    }
  }
  const Shape shape = shape_of(graph, node.inputs[0]);
  const int64_t axis = axis_of(node.int_or("axis", -1), shape.size());
  Shape rows(shape.begin(), shape.begin() + axis);
  rows.push_back(element_count(Shape(shape.begin() + axis, shape.end())));
  const Constant* gamma = floats_of(graph, input_of(node, 1));
  const Constant* beta = floats_of(graph, input_of(node, 2));
  if (gamma == nullptr) return miss("its scale is not a constant");
  if (beta == nullptr && input_of(node, 2) != kNoValue) return miss("its shift is not a constant");
  const int64_t n = rows.back();
  if (gamma->elements() != n || (beta != nullptr && beta->elements() != n)) {
    return miss("its scale is not one value per column");
  }
  std::vector<ValueId> inputs = {emit_reshape(graph, node.inputs[0], rows, node.name + "/rows"),
                                 emit_reshape(graph, node.inputs[1], {n}, node.name + "/gamma")};
  if (beta != nullptr) {
    inputs.push_back(emit_reshape(graph, node.inputs[2], {n}, node.name + "/beta"));
  }
  Node norm = fused_node("Norm", node.name, inputs,
                         {{"kind", std::string(is_layer ? "layer" : "rms")},
                          {"epsilon", node.float_or("epsilon", 1e-5f)}});
  if (rows == shape) {
    replace(graph, node.outputs[0], std::move(norm));
  } else {
    const ValueId flat = emit(graph, std::move(norm), rows);
    const ValueId target = add_ints(graph, node.name + "/shape", shape);
    replace(graph, node.outputs[0], onnx_node("Reshape", node.name, {flat, target}));
  }
  report.fused("Norm", node.name, {node.name});
  return true;
}

}  // namespace

bool fuse_norms(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) {
    return fuse_named_norm(g, report, id) || fuse_folded(g, report, id) ||
           fuse_columns(g, report, id) || fuse_decomposed(g, report, id);
  });
}

}  // namespace heed::passes
