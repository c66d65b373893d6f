// A linear layer over overlapping frames of a signal, gathered and perhaps weighed by a window ->
// SignalLinear: the engine reads the frames where they lie.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/op_rules.h"
#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

constexpr int64_t kSizeMin = 8;                   // taps and filters, as for a Conv over a signal
constexpr int64_t kFramesMax = int64_t{1} << 22;  // elements of all frames

bool moves_elements(const Graph& graph, const Node& node) {
  if (node.is("Gather")) return graph.constant(node.inputs[1]) != nullptr;
  return node.is("Reshape") || node.is("Slice") || node.is("Transpose");
}

/// Rows of frames: which values they were cut out of, by which moves, times which window.
struct Frames {
  ValueId source;
  std::vector<NodeId> moves;  // the last first
  std::vector<float> window;  // empty: none
  bool gathered = false;
};

std::optional<Frames> frames_of(const Graph& graph, ValueId rows) {
  Frames frames{rows, {}, {}, false};
  const int64_t taps = shape_of(graph, rows).back();
  for (;;) {
    const NodeId id = graph.producer_id(frames.source);
    if (id == kNoNode) break;
    const Node& node = graph.node(id);
    if (node.is("Mul") && frames.window.empty() && !frames.gathered) {
      const auto operand = constant_operand(graph, node);
      const Shape& shape = shape_of(graph, frames.source);
      if (!operand || shape.back() != taps || shape_of(graph, operand->other) != shape) break;
      auto window = per_channel(graph, operand->constant, taps);
      if (!window) break;
      frames.window = std::move(*window);
      frames.source = operand->other;
      continue;
    }
    if (!moves_elements(graph, node) || graph.constant(node.inputs[0]) != nullptr) break;
    frames.gathered = frames.gathered || node.is("Gather");
    frames.moves.push_back(id);
    frames.source = node.inputs[0];
  }
  if (!frames.gathered) return std::nullopt;
  return frames;
}

/// For each element of the rows: where in the source it comes from.
std::vector<int64_t> origins(const Graph& graph, const Frames& frames) {
  Constant at;
  at.dtype = DType::i64;
  at.shape = shape_of(graph, frames.source);
  at.i64.resize(static_cast<size_t>(at.elements()));
  for (size_t i = 0; i < at.i64.size(); ++i) at.i64[i] = static_cast<int64_t>(i);
  for (size_t i = frames.moves.size(); i-- > 0;) {
    const Node& node = graph.node(frames.moves[i]);
    graph::OpCall call(node, graph.opset);
    call.operands[0] = {true, at.dtype, at.shape, &at};
    for (size_t j = 1; j < node.inputs.size(); ++j) {
      if (node.inputs[j] == kNoValue) continue;
      const Constant* known = graph.constant(node.inputs[j]);
      if (known == nullptr) return {};
      call.operands[j] = {true, known->dtype, known->shape, known};
    }
    graph::apply_rule(*graph::find_rule(node.domain, node.op), call);
    if (call.results[0].elements() > kFramesMax) return {};
    at = std::move(call.results[0]);
  }
  return std::move(at.i64);
}

/// Frame f of signal b begins at sample start + f * hop.
struct Steps {
  int64_t signals, frames, start, hop;
};

std::optional<Steps> steps_of(const std::vector<int64_t>& from, const Shape& source, int64_t taps) {
  const int64_t length = source.back(), signals = element_count(source) / length;
  const auto rows = static_cast<int64_t>(from.size()) / taps;
  if (rows == 0 || rows % signals != 0 || rows / signals < 2) return std::nullopt;
  const Steps steps{signals, rows / signals, from[0], from[static_cast<size_t>(taps)] - from[0]};
  if (steps.hop <= 0 || steps.hop >= taps) return std::nullopt;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first =
        row / steps.frames * length + steps.start + row % steps.frames * steps.hop;
    for (int64_t k = 0; k < taps; ++k) {
      if (from[static_cast<size_t>(row * taps + k)] != first + k) return std::nullopt;
    }
  }
  return steps;
}

bool fuse_gathered(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Linear", kFusedDomain) || input_of(node, 3) != kNoValue) return false;
  const ConstantPtr weight = graph.value(node.inputs[1]).constant;
  const int64_t n = weight->shape[0], taps = weight->shape[1];
  if (n < kSizeMin || taps < kSizeMin) return false;
  const Shape rows = shape_of(graph, node.inputs[0]), y = shape_of(graph, node.outputs[0]);
  if (element_count(rows) > kFramesMax || element_count(rows) <= 0) return false;
  const auto frames = frames_of(graph, node.inputs[0]);
  if (!frames) return false;
  const Shape source = shape_of(graph, frames->source);
  if (source.empty() || element_count(source) <= 0 || element_count(source) > kFramesMax) {
    return false;
  }
  const auto steps = steps_of(origins(graph, *frames), source, taps);
  if (!steps) {
    report.missed(id, "Linear '" + node.name + "' reads gathered rows that are no frames");
    return false;
  }
  const int64_t reach = (steps->frames - 1) * steps->hop + taps;
  ValueId x =
      emit_reshape(graph, frames->source, {steps->signals, source.back()}, node.name + "/signal");
  const bool whole = steps->start == 0 && (source.back() - taps) / steps->hop + 1 == steps->frames;
  if (!whole) x = emit_slice(graph, x, 1, steps->start, reach, node.name + "/reach");
  std::vector<float> filters = weight->f32;
  for (size_t i = 0; i < filters.size() && !frames->window.empty(); ++i) {
    filters[i] *= frames->window[i % static_cast<size_t>(taps)];
  }
  std::vector<ValueId> inputs = {
      x, add_floats(graph, node.name + "/weight", weight->shape, std::move(filters))};
  if (input_of(node, 2) != kNoValue) inputs.push_back(node.inputs[2]);
  const ValueId made =
      emit(graph,
           fused_node("SignalLinear", node.name, inputs,
                      {{"hop", steps->hop}, {"activation", node.string_or("activation", "")}}),
           {steps->signals, steps->frames, n});
  std::vector<std::string> names = {node.name};
  for (const NodeId move : frames->moves) names.push_back(graph.node(move).name);
  const ValueId to = add_ints(graph, node.name + "/shape", y);
  replace(graph, node.outputs[0], onnx_node("Reshape", node.name + "/rows", {made, to}));
  report.fused("SignalLinear", node.name, std::move(names));
  return true;
}

}  // namespace

bool fuse_frames(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fuse_gathered(g, report, id); });
}

}  // namespace heed::passes
