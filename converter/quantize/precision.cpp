#include "converter/quantize/precision.h"

#include <algorithm>

#include "converter/graph/fused_ops.h"

namespace heed {
namespace {

using graph::Graph;
using graph::kFusedDomain;
using graph::Node;

bool named_by(const std::vector<std::string>& patterns, const Graph& graph, const Node& node) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (glob_match(pattern, node.name)) return true;
    return std::any_of(node.outputs.begin(), node.outputs.end(), [&](graph::ValueId id) {
      return id != graph::kNoValue && glob_match(pattern, graph.value(id).name);
    });
  });
}

/// Rows wider than this carry outliers that take the resolution from all others: scales for equal
/// parts of them keep it. Narrower parts (128) cost MiniLM 6 % of its time; ViT-Tiny's answers and
/// the Whisper encoder's hidden states are no better for them.
constexpr uint32_t kGroupMax = 384;

/// int8 pixels are padded to 16 channels, of which a picture's three would waste most.
constexpr int64_t kFewChannels = 12;

uint32_t group_for(int64_t row_width, const PrecisionRules& rules) {
  const auto step = static_cast<uint32_t>((row_width + 15) / 16 * 16);
  if (rules.activation_group != 0)
    return step % rules.activation_group == 0 && step > rules.activation_group
               ? rules.activation_group
               : 0;
  if (step <= kGroupMax) return 0;
  for (uint32_t group = kGroupMax; group >= kGroupMax / 4; group -= 16)
    if (step % group == 0) return group;
  return 0;
}

/// Whether a logarithm looks at what comes out, perhaps after constants and moves: it makes the
/// smallest values as important as the largest, whose resolution int8 rows share.
bool feeds_logarithm(const Graph& graph, graph::ValueId value, int depth) {
  static const std::set<std::string> kBetween = {"Add",     "Clip",  "Max",  "Mul",      "Pow",
                                                 "Reshape", "Slice", "Sqrt", "Transpose"};
  const auto& users = graph.value(value).users;
  return depth > 0 && std::any_of(users.begin(), users.end(), [&](graph::NodeId id) {
           const Node& user = graph.node(id);
           if (user.is("Log")) return true;
           return user.domain.empty() && kBetween.count(user.op) != 0 &&
                  feeds_logarithm(graph, user.outputs[0], depth - 1);
         });
}

/// Whether it reads logarithms as they are: the cosine transform of a filter bank's.
bool reads_logarithm(const Graph& graph, graph::ValueId value) {
  for (graph::NodeId id = graph.producer_id(value); id != graph::kNoNode;
       id = graph.producer_id(graph.node(id).inputs[0])) {
    const Node& node = graph.node(id);
    if (node.is("Log")) return true;
    if (!node.is("Reshape") && !node.is("Transpose")) return false;
  }
  return false;
}

LayerPrecision of_weights(const Graph& graph, const Node& node, const PrecisionRules& rules) {
  const graph::Shape& weight = *graph.value(node.inputs[1]).shape;
  if (named_by(rules.keep_float, graph, node)) return {false, 0, "kept by --keep-float"};
  if (rules.budget_float.count(node.name)) return {false, 0, "kept for the accuracy budget"};
  if (node.is("SignalLinear", kFusedDomain)) return {false, 0, "filter bank over a signal"};
  if (node.string_or("activation", "").empty() && feeds_logarithm(graph, node.outputs[0], 6))
    return {false, 0, "a logarithm reads it"};
  if (reads_logarithm(graph, node.inputs[0])) return {false, 0, "it reads a logarithm"};
  const bool pixels = node.is("PixelsLinear", kFusedDomain);
  const int64_t inputs = graph::Constant{{}, weight, {}, {}}.elements() / weight[0];
  if (pixels && weight.back() < kFewChannels) return {false, 0, "its pixels have few channels"};
  if (weight[0] * inputs < kSmallLayer) return {false, 0, "too small to gain"};
  const int64_t row_width = node.is("FramesLinear", kFusedDomain)
                                ? weight[1] / std::max<int64_t>(1, node.int_or("window", 1))
                                : weight.back();
  return {true, group_for(row_width, rules), ""};
}

LayerPrecision of_attention(const Graph& graph, const Node& node, const PrecisionRules& rules) {
  if (named_by(rules.keep_float, graph, node)) return {false, 0, "kept by --keep-float"};
  if (rules.budget_float.count(node.name)) return {false, 0, "kept for the accuracy budget"};
  return {true, 0, ""};
}

/// A cache whose keys or values are rows of heads: int8 with a scale for each head where everything
/// that reads it is attention on int8, as keys alone or as values alone.
LayerPrecision of_state(const Graph& graph, const Node& node, const PrecisionRules& rules) {
  if (named_by(rules.keep_float, graph, node)) return {false, 0, "kept by --keep-float"};
  const int64_t width = node.int_or("head_width", 0);
  if (width == 0 || width % 16 != 0) return {false, 0, "its heads are no multiple of 16 wide"};
  const bool values = node.string_or("holds", "keys") == "values";
  std::vector<graph::ValueId> open = {node.outputs[0]};
  while (!open.empty()) {
    const graph::ValueId value = open.back();
    open.pop_back();
    for (const graph::NodeId id : graph.value(value).users) {
      const Node& user = graph.node(id);
      if (user.is("CacheAppend", kFusedDomain)) {
        open.push_back(user.outputs[0]);
        continue;
      }
      if (!user.is("Attention", kFusedDomain) || !of_attention(graph, user, rules).int8)
        return {false, 0, "what reads it is float"};
      if (user.inputs[values ? 1 : 2] == value)
        return {false, 0, "it is not read as what it is called"};
    }
  }
  return {true, static_cast<uint32_t>(width), "", values};
}

LayerPrecision of_table(const Graph& graph, const Node& node, const PrecisionRules& rules) {
  const graph::Shape& table = *graph.value(node.inputs[0]).shape;
  if (named_by(rules.keep_float, graph, node)) return {false, 0, "kept by --keep-float"};
  if (rules.budget_float.count(node.name)) return {false, 0, "kept for the accuracy budget"};
  if (table[0] * table[1] < kSmallTable) return {false, 0, "too small to gain"};
  return {true, 0, ""};
}

/// A position table that would become int8 by default.
bool adds_big_table(const Graph& graph, const Node& node) {
  return node.is("Add") && std::any_of(node.inputs.begin(), node.inputs.end(), [&](auto id) {
           const graph::Constant* table = graph.constant(id);
           return table && table->dtype == graph::DType::f32 &&
                  table->elements() >= kSmallPositionTable;
         });
}

}  // namespace

bool glob_match(const std::string& pattern, const std::string& text) {
  size_t p = 0, t = 0, star = std::string::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

PrecisionPlan choose_precision(const Graph& graph, const PrecisionRules& rules) {
  PrecisionPlan plan;
  for (const graph::NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is("Linear", kFusedDomain) || node.is("FramesLinear", kFusedDomain) ||
        node.is("SignalLinear", kFusedDomain) || node.is("PixelsLinear", kFusedDomain))
      plan[id] = of_weights(graph, node, rules);
    else if (node.is("Embedding", kFusedDomain))
      plan[id] = of_table(graph, node, rules);
    else if (node.is("Attention", kFusedDomain))
      plan[id] = of_attention(graph, node, rules);
    else if (node.is("State", kFusedDomain))
      plan[id] = of_state(graph, node, rules);
    else if (adds_big_table(graph, node) && named_by(rules.keep_float, graph, node))
      plan[id] = {false, 0, "kept by --keep-float"};
  }
  return plan;
}

}  // namespace heed
