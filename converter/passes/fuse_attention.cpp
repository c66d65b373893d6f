// Scaled dot-product attention, however it is spelled -> Attention.
//
// The softmax is the anchor. Above it, scales, masks and reshapes lead to the product of queries
// and keys; below it stands the product with the values. Heads are found by where elements lie
// (strided_view.h), not by how they were put there.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "converter/passes/attention_mask.h"
#include "converter/passes/attention_operand.h"
#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

/// The operands of softmax(scale * q k^T + masks) v as the graph has them.
struct Match {
  ValueId q, k_transposed, v;  // [..,T,D], [..,D,S], [..,S,Dv]
  float scale = 1.0f;
  std::vector<MaskTerm> masks;
  NodeId scores = kNoNode, product = kNoNode;
  std::vector<std::string> names;
  std::string why_not;  // set where there is no match
};

bool softmax_is_over_rows(const Graph& graph, const Node& node) {
  const Shape& shape = shape_of(graph, node.inputs[0]);
  const int64_t rank = static_cast<int64_t>(shape.size());
  if (rank < 2) return false;
  int64_t axis = axis_of(node.int_or("axis", graph.opset < 13 ? 1 : -1), shape.size());
  // Before opset 13 all dimensions from the axis on were one row.
  if (graph.opset < 13) {
    while (axis < rank - 1 && shape[static_cast<size_t>(axis)] == 1) ++axis;
  }
  return axis == rank - 1;
}

/// Whether following this value up, as scores are followed, ends at a product of two tensors.
bool leads_to_scores(const Graph& graph, ValueId value, int depth = 8) {
  const NodeId id = graph.producer_id(value);
  if (id == kNoNode || depth == 0) return false;
  const Node& node = graph.node(id);
  // With one constant matrix it would be a layer; a constant of several is queries of their own.
  if (node.is("MatMul")) return graph.constant(node.inputs[1]) == nullptr;
  const auto follow = [&](size_t i) { return leads_to_scores(graph, node.inputs[i], depth - 1); };
  if (node.is("Add") || node.is("Mul")) return follow(0) || follow(1);
  if (node.is("Where")) return follow(1) || follow(2);
  const bool passes_on =
      node.is("Reshape") || node.is("Div") || node.is("Activation", kFusedDomain);
  return passes_on && follow(0);
}

/// Takes the mask out of Where(condition, scores, low) or Where(condition, low, scores).
bool step_over_where(Graph& graph, const Node& node, float factor, Match& match, ValueId& at) {
  for (size_t i = 1; i <= 2; ++i) {
    const ValueId scores = node.inputs[i];
    const auto hidden = graph.scalar(node.inputs[3 - i]);
    if (!hidden || !(*hidden * factor <= kMaskedScore)) continue;
    if (shape_of(graph, scores) != shape_of(graph, at)) continue;
    const ValueId term = mask_from_condition(graph, node.inputs[0], i == 1, *hidden, node.name);
    match.masks.push_back({term, factor, shape_of(graph, at)});
    match.names.push_back(node.name);
    at = scores;
    return true;
  }
  match.why_not = "its Where does not put a very low constant in place of scores";
  return false;
}

bool step_over_add(const Graph& graph, const Node& node, float factor, Match& match, ValueId& at) {
  for (size_t i = 0; i < 2; ++i) {
    const ValueId scores = node.inputs[i];
    if (shape_of(graph, scores) != shape_of(graph, at) || !leads_to_scores(graph, scores)) continue;
    match.masks.push_back({node.inputs[1 - i], factor, shape_of(graph, at)});
    match.names.push_back(node.name);
    at = scores;
    return true;
  }
  match.why_not = "neither operand of its Add is a product of queries and keys";
  return false;
}

/// Takes a factor that is 0 where a mask hides the score anyway, and else the same for all, for a
/// scale: GPT-2's scores * mask + (mask - 1) * 10000 as TensorFlow models have it.
bool step_over_gate(const Graph& graph, const Node& node, Match& match, ValueId& at) {
  const auto operand = constant_operand(graph, node);
  const Constant* gate = operand ? floats_of(graph, operand->constant) : nullptr;
  if (gate == nullptr || shape_of(graph, operand->other) != shape_of(graph, at)) return false;
  float scale = 0.0f;
  for (float g : gate->f32) {
    if (g != 0.0f && scale == 0.0f) scale = g;
    if (g != 0.0f && g != scale) return false;
  }
  const bool hides = std::any_of(match.masks.begin(), match.masks.end(), [&](const MaskTerm& term) {
    const Constant* mask = floats_of(graph, term.value);
    if (mask == nullptr || mask->shape != gate->shape) return false;
    for (size_t i = 0; i < gate->f32.size(); ++i) {
      if (gate->f32[i] == 0.0f && !(mask->f32[i] * term.factor <= kMaskedScore)) return false;
    }
    return true;
  });
  if (!hides || scale == 0.0f) return false;
  match.scale *= scale;
  match.names.push_back(node.name);
  at = operand->other;
  return true;
}

bool step_over_reshape(const Graph& graph, const Node& node, Match& match, ValueId& at) {
  const Shape from = shape_of(graph, node.inputs[0]), to = shape_of(graph, at);
  if (from.size() < 2 || !std::equal(from.end() - 2, from.end(), to.end() - 2)) {
    match.why_not = "its scores are reshaped within queries and keys";
    return false;
  }
  at = node.inputs[0];
  return true;
}

/// From the softmax up to the product of queries and keys.
bool match_scores(Graph& graph, ValueId at, Match& match) {
  for (;;) {
    const NodeId id = graph.producer_id(at);
    if (id == kNoNode) {
      match.why_not = "its scores are no product of queries and keys";
      return false;
    }
    const Node node = graph.node(id);
    const auto factor = scalar_operand(graph, node);
    if (node.is("MatMul")) {
      if (graph.constant(node.inputs[1]) != nullptr) {
        match.why_not = "the keys of its scores are constant";
        return false;
      }
      match.q = node.inputs[0];
      match.k_transposed = node.inputs[1];
      match.scores = id;
      match.names.push_back(node.name);
      return true;
    }
    if (node.is("Mul") && factor) {
      match.scale *= factor->scalar;
      match.names.push_back(node.name);
      at = factor->other;
    } else if (node.is("Mul") && step_over_gate(graph, node, match, at)) {
      continue;
    } else if (node.is("Where")) {
      if (!step_over_where(graph, node, match.scale, match, at)) return false;
    } else if (node.is("Add")) {
      if (!step_over_add(graph, node, match.scale, match, at)) return false;
    } else if (node.is("Reshape")) {
      if (!step_over_reshape(graph, node, match, at)) return false;
    } else {
      match.why_not = node.is("Mul") || node.is("Div")
                          ? "its scale is not a constant"
                          : "its scores pass through " + node.op + " '" + node.name + "'";
      return false;
    }
  }
}

/// Where(IsNaN(weights), 0, weights), which turns rows without any visible key to zeros: Attention
/// gives zeros for those as well. Its output; kNoValue where that is not what uses the weights.
ValueId step_over_nan_guard(const Graph& graph, ValueId weights) {
  ValueId guarded = kNoValue;
  for (NodeId user : graph.value(weights).users) {
    const Node& node = graph.node(user);
    if (node.is("Where") && node.inputs[2] == weights &&
        graph.scalar(node.inputs[1]) == std::optional<float>(0.0f)) {
      const Node* test = graph.producer(node.inputs[0], "IsNaN");
      if (test != nullptr && test->inputs[0] == weights) guarded = node.outputs[0];
    }
  }
  const bool only_that = graph.value(weights).users.size() == 2 && !graph.is_output(weights);
  return only_that ? guarded : kNoValue;
}

/// From the softmax down to the product with the values.
bool match_product(const Graph& graph, ValueId weights, Match& match) {
  const ValueId guarded = step_over_nan_guard(graph, weights);
  if (guarded != kNoValue) weights = guarded;
  for (;;) {
    const NodeId user = graph.only_user(weights);
    if (user == kNoNode) {
      match.why_not = "its weights are used more than once";
      return false;
    }
    const Node& node = graph.node(user);
    if (node.is("MatMul") && node.inputs[0] == weights) {
      match.v = node.inputs[1];
      match.product = user;
      match.names.push_back(node.name);
      if (graph.constant(match.v) == nullptr) return true;
      match.why_not = "its values are constant";
      return false;
    }
    const Shape from = shape_of(graph, weights), to = shape_of(graph, node.outputs[0]);
    if (!node.is("Reshape") || to.size() < 2 ||
        !std::equal(from.end() - 2, from.end(), to.end() - 2)) {
      match.why_not = "its weights are used by " + node.op + " '" + node.name + "'";
      return false;
    }
    weights = node.outputs[0];
  }
}

Shape outer_of(const Graph& graph, ValueId value) {
  const Shape& shape = shape_of(graph, value);
  return Shape(shape.begin(), shape.end() - 2);
}

/// How heads are dealt out.
struct Plan {
  int64_t heads = 0;
  std::optional<HeadRows> q, k, v;
  ValueId end = kNoValue;  // where heads stand side by side again
};

/// What a plan costs: transposes that it makes or leaves in the graph, above all; then operands
/// whose rows are not those of their source (a single query is a row whatever one calls its heads).
int cost(const Graph& graph, const Plan& plan) {
  constexpr int kTranspose = 4;
  int count = 0;
  for (const auto& operand : {plan.q, plan.k, plan.v}) {
    if (!operand || graph.producer(operand->value, "Transpose") != nullptr) {
      count += kTranspose;
    } else if (shape_of(graph, operand->value).back() != operand->row_width) {
      ++count;
    }
  }
  const NodeId user = graph.only_user(plan.end);
  const bool moved_after = user != kNoNode && graph.node(user).is("Transpose");
  return plan.end == kNoValue || moved_after ? count + kTranspose : count;
}

constexpr int64_t kPairsMax = 1 << 16;  // of a batch and a head: each number of heads looks at all

/// The number of heads per batch that needs the fewest transposes; of equals the most heads.
Plan choose_heads(const Graph& graph, const Match& match, const Shape& outer,
                  const Shape& v_outer) {
  const auto q = operand_sources(graph, match.q, false, outer);
  const auto k = operand_sources(graph, match.k_transposed, true, outer);
  const auto v = operand_sources(graph, match.v, false, v_outer);
  const ValueId product = graph.node(match.product).outputs[0];
  const int64_t pairs = element_count(outer);
  Plan best;
  for (int64_t heads = pairs; heads >= 1; --heads) {
    if (pairs % heads != 0) continue;
    Plan plan;
    plan.heads = heads;
    plan.q = find_rows(q, graph, heads);
    if (plan.q && plan.q->heads != heads) plan.q.reset();
    plan.k = find_rows(k, graph, heads);
    plan.v = find_rows(v, graph, heads);
    if (plan.k && plan.v && plan.k->heads != plan.v->heads) plan.k.reset();
    if (plan.v && !plan.k && plan.v->heads != heads) plan.v.reset();
    plan.end = find_joined_heads(graph, product, heads);
    if (best.heads == 0 || cost(graph, plan) < cost(graph, best)) best = plan;
  }
  return best;
}

void build(Graph& graph, PassReport& report, Match& match) {
  const Shape q_shape = shape_of(graph, match.q), k_shape = shape_of(graph, match.k_transposed);
  const Shape v_shape = shape_of(graph, match.v);
  const Shape outer = outer_of(graph, graph.node(match.scores).outputs[0]);
  const ValueId product = graph.node(match.product).outputs[0];
  const Shape v_outer = outer_of(graph, product);
  const Node last = graph.node(match.product);
  const std::string name = last.name;
  Plan plan = choose_heads(graph, match, outer, v_outer);
  const int64_t heads = plan.heads;
  for (auto* operand : {&plan.q, &plan.k, &plan.v}) {
    if (*operand) gather_columns(graph, **operand);
  }
  if (!plan.q) plan.q = make_rows(graph, match.q, false, outer, heads, name + "/q");
  // Keys and values share heads: where one of them has to be moved, both have all heads.
  const bool move_k = !plan.k || (!plan.v && plan.k->heads != heads);
  if (move_k) plan.k = make_rows(graph, match.k_transposed, true, outer, heads, name + "/k");
  if (!plan.v) plan.v = make_rows(graph, match.v, false, v_outer, heads, name + "/v");
  const int64_t batch = element_count(outer) / heads;
  const int64_t queries = q_shape[q_shape.size() - 2], width = q_shape.back();
  const int64_t keys = k_shape.back(), value_width = v_shape.back();
  const AttentionMask mask = join_masks(graph, match.masks, {batch, heads, queries, keys}, name);
  const auto rows = [&](const HeadRows& operand, int64_t count, const char* part) {
    return emit_reshape(graph, operand.value, {batch, count, operand.row_width}, name + part);
  };
  std::vector<ValueId> inputs = {rows(*plan.q, queries, "/q"), rows(*plan.k, keys, "/k"),
                                 rows(*plan.v, keys, "/v")};
  if (mask.bias != kNoValue) inputs.push_back(mask.bias);
  Node fused = fused_node("Attention", name, std::move(inputs),
                          {{"heads", heads},
                           {"kv_heads", plan.k->heads},
                           {"head_width", width},
                           {"value_width", value_width},
                           {"scale", match.scale * plan.q->scale * plan.k->scale},
                           {"causal", int64_t{mask.causal}},
                           {"window", mask.window},
                           {"q_column", plan.q->column},
                           {"k_column", plan.k->column},
                           {"v_column", plan.v->column}});
  const Shape joined = {batch, queries, heads * value_width};
  const float v_scale = plan.v->scale;
  const bool in_place = plan.end != kNoValue && shape_of(graph, plan.end) == joined;
  if (in_place && v_scale == 1.0f) {
    replace(graph, plan.end, std::move(fused));
  } else {
    ValueId out = emit(graph, std::move(fused), joined);
    if (v_scale != 1.0f) {
      const ValueId factor = add_floats(graph, name + "/v_scale", {}, {v_scale});
      out = emit(graph, onnx_node("Mul", name + "/scaled", {out, factor}), joined);
    }
    if (plan.end == kNoValue) {
      out = emit_reshape(graph, out, {batch, queries, heads, value_width}, name + "/split");
      out = emit_transpose(graph, out, {0, 2, 1, 3}, name + "/heads");
      plan.end = product;
    }
    const ValueId target = add_ints(graph, name + "/shape", shape_of(graph, plan.end));
    replace(graph, plan.end, onnx_node("Reshape", name + "/out", {out, target}));
  }
  report.fused("Attention", name, std::move(match.names));
}

bool fuse_softmax(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Softmax")) return false;
  Match match;
  match.names = {node.name};
  const auto miss = [&] {
    report.missed(id, "Softmax '" + node.name + "' is no attention: " + match.why_not);
    return false;
  };
  if (!leads_to_scores(graph, node.inputs[0])) return false;
  if (!softmax_is_over_rows(graph, node)) {
    match.why_not = "it is not over the last dimension";
    return miss();
  }
  if (!match_product(graph, node.outputs[0], match)) return miss();
  if (!match_scores(graph, node.inputs[0], match)) return miss();
  const Shape outer = outer_of(graph, graph.node(match.scores).outputs[0]);
  const Shape v_outer = outer_of(graph, graph.node(match.product).outputs[0]);
  if (shape_of(graph, match.v).size() < 2 || element_count(outer) != element_count(v_outer)) {
    match.why_not = "its values have more batches than its scores";
    return miss();
  }
  if (element_count(outer) > kPairsMax) {
    match.why_not = "it has more heads and batches than are looked through";
    return miss();
  }
  build(graph, report, match);
  return true;
}

}  // namespace

bool fuse_attention(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fuse_softmax(g, report, id); });
}

}  // namespace heed::passes
