// What follows a linear layer or convolution and can be done by it: constant factors and additions
// per output go into its weights and bias, an activation into its epilogue. A norm takes factors
// and additions into its gamma and beta.

#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

/// Operand 1: weights, the outputs first; operand 2: what is added to each output.
bool has_weights(const Node& node) {
  return !node.dead && node.domain == kFusedDomain &&
         (node.op == "Linear" || node.op == "FramesLinear" || node.op == "SignalLinear" ||
          node.op == "PixelsLinear" || node.op == "Depthwise" || node.op == "Conv" ||
          node.op == "Norm");
}

bool takes_activation(const Node& layer, const std::string& kind) {
  return layer.op != "Norm" && (layer.op != "Conv" || kind == "Relu");
}

bool is_bare(const Node& node) {
  return node.string_or("activation", "").empty() && input_of(node, 3) == kNoValue;
}

/// The layer with `next`'s work in it takes over next's output.
void take_over(Graph& graph, PassReport& report, NodeId layer, NodeId next) {
  const ValueId output = graph.node(next).outputs[0];
  const std::string what = graph.node(next).name;
  graph.take_output(layer, 0, output);
  graph.erase(next);
  report.fused(graph.node(layer).op.c_str(), graph.node(layer).name, {what});
}

/// The constant one value per output of the layer that `next` combines with it; empty where it is
/// none.
std::vector<float> constant_per_output(const Graph& graph, const Node& next, ValueId y) {
  const auto operand = constant_operand(graph, next);
  const Shape& shape = shape_of(graph, y);
  if (!operand || operand->other != y || shape_of(graph, next.outputs[0]) != shape) return {};
  return per_channel(graph, operand->constant, shape.back()).value_or(std::vector<float>());
}

std::vector<float> bias_of(const Graph& graph, const Node& layer, size_t n) {
  const Constant* bias = floats_of(graph, input_of(layer, 2));
  return bias != nullptr ? bias->f32 : std::vector<float>(n, 0.0f);
}

void set_weight(Graph& graph, NodeId layer, const Shape& shape, std::vector<float> data) {
  const std::string name = graph.node(layer).name + "/weight";
  graph.set_input(layer, 1, add_floats(graph, name, shape, std::move(data)));
}

void set_bias(Graph& graph, NodeId layer, std::vector<float> bias) {
  const std::string name = graph.node(layer).name + "/bias";
  const Shape shape = {static_cast<int64_t>(bias.size())};
  graph.set_input(layer, 2, add_floats(graph, name, shape, std::move(bias)));
}

bool absorb_scale(Graph& graph, NodeId layer, const std::vector<float>& factors) {
  const Node node = graph.node(layer);
  const ConstantPtr weight = graph.value(node.inputs[1]).constant;
  std::vector<float> scaled = weight->f32;
  const size_t n = factors.size(), per_output = scaled.size() / n;
  for (size_t i = 0; i < scaled.size(); ++i) scaled[i] *= factors[i / per_output];
  set_weight(graph, layer, weight->shape, std::move(scaled));
  if (input_of(node, 2) != kNoValue) {
    std::vector<float> bias = bias_of(graph, node, n);
    for (size_t i = 0; i < n; ++i) bias[i] *= factors[i];
    set_bias(graph, layer, std::move(bias));
  }
  return true;
}

/// What could be absorbed but for a Reshape between moves before it, where the Reshape leaves the
/// layer's outputs as the last dimension.
bool move_before_reshape(Graph& graph, const Node& layer, const Node& reshape, ValueId y) {
  const ValueId reshaped = reshape.outputs[0];
  const NodeId user = graph.only_user(reshaped);
  const Shape shape = shape_of(graph, y);
  if (user == kNoNode || shape_of(graph, reshaped).empty() ||
      shape_of(graph, reshaped).back() != shape.back()) {
    return false;
  }
  const Node next = graph.node(user);
  Node moved = next;
  if (next.is("Mul") || next.is("Add")) {
    const std::vector<float> constant = constant_per_output(graph, next, reshaped);
    if (constant.empty()) return false;
    moved.inputs = {y, add_floats(graph, next.name + "/constant", {shape.back()}, constant)};
  } else if (next.is("Activation", kFusedDomain) &&
             takes_activation(layer, next.string_or("activation", ""))) {
    moved.inputs = {y};
  } else {
    return false;
  }
  moved.outputs.clear();
  const ValueId made = emit(graph, std::move(moved), shape);
  const ValueId target = add_ints(graph, reshape.name + "/shape", shape_of(graph, reshaped));
  replace(graph, next.outputs[0], onnx_node("Reshape", reshape.name, {made, target}));
  return true;
}

bool absorb_next(Graph& graph, PassReport& report, NodeId id) {
  const Node layer = graph.node(id);
  if (!has_weights(layer) || !is_bare(layer)) return false;
  const ValueId y = layer.outputs[0];
  const NodeId user = graph.only_user(y);
  if (user == kNoNode) return false;
  const Node next = graph.node(user);
  if (next.is("Reshape")) return move_before_reshape(graph, layer, next, y);
  if (next.is("Activation", kFusedDomain)) {
    const std::string kind = next.string_or("activation", "");
    if (!takes_activation(layer, kind)) return false;
    graph.node(id).attributes["activation"] = kind;
    take_over(graph, report, id, user);
    return true;
  }
  if (!next.is("Mul") && !next.is("Add")) return false;
  const std::vector<float> constant = constant_per_output(graph, next, y);
  if (constant.empty()) return false;
  if (next.is("Mul")) {
    absorb_scale(graph, id, constant);
  } else {
    std::vector<float> bias = bias_of(graph, layer, constant.size());
    for (size_t i = 0; i < bias.size(); ++i) bias[i] += constant[i];
    set_bias(graph, id, std::move(bias));
  }
  take_over(graph, report, id, user);
  return true;
}

}  // namespace

bool absorb_epilogues(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return absorb_next(g, report, id); });
}

}  // namespace heed::passes
