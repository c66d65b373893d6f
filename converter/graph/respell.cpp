#include "converter/graph/respell.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/op_call.h"
#include "converter/graph/op_rules.h"
#include "converter/graph/rules/einsum_terms.h"
#include "converter/graph/speller.h"

namespace heed::graph {
namespace {

bool cast_like(Graph& graph, NodeId id) {
  Node& node = graph.node(id);
  const DType type = graph.value(node.inputs[1]).dtype;
  node.attributes["to"] = int64_t{type == DType::f32 ? 1 : type == DType::boolean ? 9 : 7};
  node.op = "Cast";
  graph.set_input(id, 1, kNoValue);
  graph.node(id).inputs.resize(1);
  return false;
}

/// Before opset 13 the dimensions from `axis` on were normalised together: as one, between two
/// reshapes.
bool joint_softmax(Graph& graph, NodeId id) {
  if (graph.opset == 0 || graph.opset >= 13) return false;
  const Node node = graph.node(id);
  const Shape shape = known_shape(graph, node.inputs[0]);
  const int64_t rank = static_cast<int64_t>(shape.size()), given = node.int_or("axis", 1);
  const int64_t axis = given < 0 ? given + rank : given;
  graph.node(id).attributes["axis"] = int64_t{-1};
  if (axis == rank - 1) return false;
  Shape rows(shape.begin(), shape.begin() + axis);
  rows.push_back(element_count(Shape(shape.begin() + axis, shape.end())));
  Speller spell(graph, id);
  const ValueId joined = spell.reshape(node.inputs[0], rows);
  const ValueId made = spell.node(node.op, {joined}, {{"axis", int64_t{-1}}});
  spell.finish(spell.reshape(made, shape));
  return true;
}

bool group_norm(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const Shape shape = known_shape(graph, node.inputs[0]);
  const int64_t groups = node.int_or("num_groups", 1), channels = shape[1];
  if (element_count(shape) <= 0) return false;
  if (groups < 1 || channels % groups != 0) no_other_words(node, "its groups are not equal");
  Speller spell(graph, id);
  const ValueId grouped =
      spell.reshape(node.inputs[0], {shape[0], groups, element_count(shape) / shape[0] / groups});
  const ValueId normal = spell.node("InstanceNormalization",
                                    {grouped, spell.filled({groups}, 1), spell.filled({groups}, 0)},
                                    {{"epsilon", node.float_or("epsilon", 1e-5f)}});
  // Scale and bias: one per channel, or before opset 21 one per group.
  const bool per_group = known_shape(graph, node.inputs[1]) == Shape{groups} && groups != channels;
  Shape apart = shape;
  if (per_group) {
    apart = {shape[0], groups, element_count(shape) / shape[0] / groups};
  }
  Shape factors(apart.size(), 1);
  factors[1] = apart[1];
  ValueId made = per_group ? normal : spell.reshape(normal, shape);
  made = spell.node("Mul", {made, spell.reshape(node.inputs[1], factors)});
  made = spell.node("Add", {made, spell.reshape(node.inputs[2], factors)});
  spell.finish(per_group ? spell.reshape(made, shape) : made);
  return true;
}

bool lp_norm(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  Speller spell(graph, id);
  const ValueId axis = spell.integers({node.int_or("axis", -1)});
  const ValueId norm =
      spell.node(node.int_or("p", 2) == 1 ? "ReduceL1" : "ReduceL2", {node.inputs[0], axis});
  // A row of zeros stays one.
  const ValueId positive = spell.node("Max", {norm, spell.filled({}, 1e-30f)});
  spell.finish(spell.node("Div", {node.inputs[0], positive}));
  return true;
}

// -- Einsum

std::vector<int64_t> positions(const std::string& of, const std::string& in) {
  std::vector<int64_t> found;
  for (char label : of) found.push_back(static_cast<int64_t>(in.find(label)));
  return found;
}

bool repeats_label(const std::string& term) {
  for (size_t i = 1; i < term.size(); ++i) {
    if (term.find(term[i]) < i) return true;
  }
  return false;
}

struct EinsumGroups {
  std::string batch, rows, columns, summed;
};

/// Sorts the labels; returns false where one is summed over one operand alone or has two sizes.
bool sort_labels(const EinsumTerms& terms, const Shape& a_shape, const Shape& b_shape,
                 EinsumGroups& groups) {
  const std::string &a = terms.operands[0], &b = terms.operands[1];
  for (char label : terms.output) {
    const bool in_a = a.find(label) != std::string::npos;
    const bool in_b = b.find(label) != std::string::npos;
    (in_a && in_b ? groups.batch : in_a ? groups.rows : groups.columns) += label;
  }
  for (char label : a) {
    if (terms.output.find(label) != std::string::npos) continue;
    const size_t other = b.find(label);
    if (other == std::string::npos || b_shape[other] != a_shape[a.find(label)]) return false;
    groups.summed += label;
  }
  for (char label : b) {
    const bool used =
        terms.output.find(label) != std::string::npos || a.find(label) != std::string::npos;
    if (!used) return false;
  }
  return true;
}

int64_t size_of(const std::string& labels, const std::string& term, const Shape& shape) {
  int64_t size = 1;
  for (char label : labels) size *= shape[term.find(label)];
  return size;
}

Shape sizes_of(const std::string& labels, const std::string& term, const Shape& shape) {
  Shape sizes;
  for (char label : labels) sizes.push_back(shape[term.find(label)]);
  return sizes;
}

bool einsum_of_one(Graph& graph, NodeId id, const EinsumTerms& terms) {
  const std::string& term = terms.operands[0];
  std::vector<int64_t> gone;
  std::string kept;
  for (size_t i = 0; i < term.size(); ++i) {
    if (terms.output.find(term[i]) == std::string::npos) {
      gone.push_back(static_cast<int64_t>(i));
    } else {
      kept += term[i];
    }
  }
  Speller spell(graph, id);
  ValueId x = graph.node(id).inputs[0];
  if (!gone.empty()) {
    x = spell.node("ReduceSum", {x, spell.integers(gone)}, {{"keepdims", int64_t{0}}});
  }
  spell.finish(spell.transpose(x, positions(terms.output, kept)));
  return true;
}

/// [batch.., rows, summed] x [batch.., summed, columns]; groups of several labels become one
/// dimension, except for rows against a b without batch, which MatMul takes as they are.
bool einsum_of_two(Graph& graph, NodeId id, const EinsumTerms& terms) {
  const Node node = graph.node(id);
  const std::string &a_term = terms.operands[0], &b_term = terms.operands[1];
  const Shape a_shape = known_shape(graph, node.inputs[0]);
  const Shape b_shape = known_shape(graph, node.inputs[1]);
  EinsumGroups g;
  if (!sort_labels(terms, a_shape, b_shape, g)) return false;
  Speller spell(graph, id);
  ValueId a = spell.transpose(node.inputs[0], positions(g.batch + g.rows + g.summed, a_term));
  ValueId b = spell.transpose(node.inputs[1], positions(g.batch + g.summed + g.columns, b_term));
  const bool free_rows = g.batch.empty() && !g.rows.empty();
  Shape a_sizes = sizes_of(g.batch, a_term, a_shape), b_sizes = sizes_of(g.batch, b_term, b_shape);
  const Shape rows = sizes_of(g.rows, a_term, a_shape);
  if (free_rows) {
    a_sizes = rows;
  } else {
    a_sizes.push_back(size_of(g.rows, a_term, a_shape));
  }
  a_sizes.push_back(size_of(g.summed, a_term, a_shape));
  b_sizes.push_back(size_of(g.summed, b_term, b_shape));
  b_sizes.push_back(size_of(g.columns, b_term, b_shape));
  a = spell.reshape(a, a_sizes);
  b = spell.reshape(b, b_sizes);
  const ValueId product = spell.node("MatMul", {a, b});
  Shape apart;
  for (char label : g.batch) {
    apart.push_back(std::max(a_shape[a_term.find(label)], b_shape[b_term.find(label)]));
  }
  apart.insert(apart.end(), rows.begin(), rows.end());
  const Shape columns = sizes_of(g.columns, b_term, b_shape);
  apart.insert(apart.end(), columns.begin(), columns.end());
  const ValueId made = spell.reshape(product, apart);
  spell.finish(spell.transpose(made, positions(terms.output, g.batch + g.rows + g.columns)));
  return true;
}

bool einsum(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  OpCall call(node, graph.opset);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) no_other_words(node, "an operand is missing");
    const Value& value = graph.value(node.inputs[i]);
    if (element_count(*value.shape) <= 0) return false;
    call.operands[i] = {true, value.dtype, *value.shape, nullptr};
  }
  const EinsumTerms terms = einsum_terms(call);
  for (const std::string& term : terms.operands) {
    if (repeats_label(term)) return false;
  }
  return terms.operands.size() == 1 ? einsum_of_one(graph, id, terms)
                                    : einsum_of_two(graph, id, terms);
}

/// Transpose counts its dimensions from the first on, so that nobody has to look again.
bool positive_order(Graph& graph, NodeId id) {
  Node& node = graph.node(id);
  std::vector<int64_t> perm = node.ints_or("perm", {});
  for (int64_t& axis : perm) {
    if (axis < 0) axis += static_cast<int64_t>(perm.size());
  }
  if (!perm.empty()) node.attributes["perm"] = perm;
  return false;
}

struct Respelling {
  const char* op;
  bool (*respell)(Graph& graph, NodeId id);
  size_t operands;  // that must be there
  size_t rank;      // of the first, at least
};

constexpr Respelling kRespellings[] = {
    {"CastLike", cast_like, 2, 0},
    {"Celu", respell_activation, 1, 0},
    {"ConvTranspose", respell_conv_transpose, 2, 3},
    {"Einsum", einsum, 1, 0},
    {"Erfc", respell_activation, 1, 0},  // no op of ONNX, but tf2onnx writes it for GELU
    {"GRU", respell_recurrent, 3, 3},
    {"GatherND", respell_selection, 2, 1},
    {"GroupNormalization", group_norm, 3, 2},
    {"IsInf", respell_selection, 1, 0},
    {"LSTM", respell_recurrent, 3, 3},
    {"LogSoftmax", joint_softmax, 1, 0},
    {"LpNormalization", lp_norm, 1, 1},
    {"Mish", respell_activation, 1, 0},
    {"OneHot", respell_selection, 3, 0},
    {"RNN", respell_recurrent, 3, 3},
    {"ScatterElements", respell_selection, 3, 1},
    {"ScatterND", respell_selection, 3, 1},
    {"Resize", respell_resize, 1, 1},
    {"Selu", respell_activation, 1, 0},
    {"Softmax", joint_softmax, 1, 0},
    {"Softsign", respell_activation, 1, 0},
    {"ThresholdedRelu", respell_activation, 1, 0},
    {"Transpose", positive_order, 1, 0},
    {"Trilu", respell_selection, 1, 2},
    {"Upsample", respell_resize, 1, 1},
};

const Respelling* find_respelling(const Node& node) {
  if (!node.domain.empty()) return nullptr;
  const auto* found = std::find_if(std::begin(kRespellings), std::end(kRespellings),
                                   [&](const Respelling& r) { return node.op == r.op; });
  return found == std::end(kRespellings) ? nullptr : found;
}

}  // namespace

bool is_known(const Node& node) {
  return find_rule(node.domain, node.op) != nullptr || find_respelling(node) != nullptr;
}

std::vector<std::string> respelled_ops() {
  std::vector<std::string> names;
  for (const Respelling& one : kRespellings) names.emplace_back(one.op);
  return names;
}

bool respell(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.outputs.empty()) return false;
  const Respelling* found = find_respelling(node);
  if (found == nullptr) return false;
  const bool given =
      node.inputs.size() >= found->operands &&
      std::find(node.inputs.begin(), node.inputs.begin() + static_cast<ptrdiff_t>(found->operands),
                kNoValue) == node.inputs.begin() + static_cast<ptrdiff_t>(found->operands);
  if (!given || known_shape(graph, node.inputs[0]).size() < found->rank)
    no_other_words(node, "an operand is missing or has too few dimensions");
  return found->respell(graph, id);
}

}  // namespace heed::graph
