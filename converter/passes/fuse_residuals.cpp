// A sum of a linear layer's output and another tensor -> the layer's residual.

#include <algorithm>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

bool takes_residual(const Node& node) {
  return !node.dead && node.domain == kFusedDomain &&
         (node.op == "Linear" || node.op == "FramesLinear" || node.op == "SignalLinear") &&
         input_of(node, 3) == kNoValue;
}

/// Whether rows of `other` repeat to give `shape`.
bool repeats_to(const Shape& other, const Shape& shape) {
  const Shape suffix = without_leading_ones(other);
  return !suffix.empty() && suffix.size() <= shape.size() && suffix.back() == shape.back() &&
         std::equal(suffix.rbegin(), suffix.rend(), shape.rbegin());
}

bool fuse_add(Graph& graph, PassReport& report, NodeId id) {
  const Node add = graph.node(id);
  if (!add.is("Add")) return false;
  const Shape shape = shape_of(graph, add.outputs[0]);
  // Of two layers the later one adds: the other's output is there by then.
  NodeId layer = kNoNode;
  size_t operand = 0;
  for (size_t i = 0; i < 2; ++i) {
    const NodeId from = graph.producer_id(add.inputs[i]);
    if (from == kNoNode || !takes_residual(graph.node(from))) continue;
    if (graph.only_user(add.inputs[i]) != id || shape_of(graph, add.inputs[i]) != shape) continue;
    if (!repeats_to(shape_of(graph, add.inputs[1 - i]), shape)) continue;
    const auto& order = graph.order();
    const auto place = [&](NodeId node) { return std::find(order.begin(), order.end(), node); };
    if (layer == kNoNode || place(from) > place(layer)) {
      layer = from;
      operand = i;
    }
  }
  if (layer == kNoNode) return false;
  graph.set_input(layer, 3, add.inputs[1 - operand]);
  graph.take_output(layer, 0, add.outputs[0]);
  graph.erase(id);
  report.fused(graph.node(layer).op.c_str(), graph.node(layer).name, {add.name});
  return true;
}

}  // namespace

bool fuse_residuals(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fuse_add(g, report, id); });
}

}  // namespace heed::passes
