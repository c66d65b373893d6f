#include "converter/graph/respell.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/op_call.h"
#include "converter/graph/rules/einsum_terms.h"

namespace heed::graph {
namespace {

/// Adds nodes in place of one; all are named after it.
class Speller {
 public:
  Speller(Graph& graph, NodeId replaced)
      : graph_(graph), replaced_(replaced), first_new_(static_cast<NodeId>(graph.node_count())),
        stem_(graph.node(replaced).name) {}

  ValueId node(const std::string& op, std::vector<ValueId> inputs,
               std::map<std::string, Attribute> attributes = {}) {
    Node added;
    added.op = op;
    added.name = next_name();
    added.inputs = std::move(inputs);
    added.outputs = {graph_.add_value(added.name)};
    added.attributes = std::move(attributes);
    const ValueId made = added.outputs[0];
    graph_.add_node(std::move(added));
    return made;
  }
  ValueId constant(Constant value) {
    return graph_.add_constant(next_name(), std::make_shared<const Constant>(std::move(value)));
  }
  ValueId floats(Shape shape, float value) {
    Constant made;
    made.f32.assign(static_cast<size_t>(element_count(shape)), value);
    made.shape = std::move(shape);
    return constant(std::move(made));
  }
  ValueId integers(std::vector<int64_t> list) {
    Constant made;
    made.dtype = DType::i64;
    made.shape = {static_cast<int64_t>(list.size())};
    made.i64 = std::move(list);
    return constant(std::move(made));
  }
  ValueId reshape(ValueId x, Shape shape) {
    return node("Reshape", {x, integers(std::move(shape))}, {{"allowzero", int64_t{1}}});
  }
  ValueId transpose(ValueId x, std::vector<int64_t> perm) {
    if (std::is_sorted(perm.begin(), perm.end())) return x;
    return node("Transpose", {x}, {{"perm", std::move(perm)}});
  }
  /// What was made takes over the replaced node's output.
  void finish(ValueId made) {
    const ValueId to = graph_.node(replaced_).outputs[0];
    if (graph_.producer_id(made) < first_new_) made = node("Identity", {made});
    graph_.take_output(graph_.producer_id(made), 0, to);
    graph_.erase(replaced_);
  }

 private:
  std::string next_name() {
    std::string name = stem_;
    name += '/';
    name += std::to_string(count_++);
    return name;
  }

  Graph& graph_;
  NodeId replaced_, first_new_;
  std::string stem_;
  int count_ = 0;
};

const Shape& shape_of(const Graph& graph, ValueId id) { return *graph.value(id).shape; }

bool cast_like(Graph& graph, NodeId id) {
  Node& node = graph.node(id);
  const DType type = graph.value(node.inputs[1]).dtype;
  node.attributes["to"] = int64_t{type == DType::f32 ? 1 : type == DType::boolean ? 9 : 7};
  node.op = "Cast";
  graph.set_input(id, 1, kNoValue);
  graph.node(id).inputs.resize(1);
  return false;
}

/// The dimensions from `axis` on were normalised together: as one, between two reshapes.
bool joint_softmax(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const Shape shape = shape_of(graph, node.inputs[0]);
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
  const Shape shape = shape_of(graph, node.inputs[0]);
  const int64_t groups = node.int_or("num_groups", 1), channels = shape[1];
  if (element_count(shape) <= 0) return false;
  Speller spell(graph, id);
  const ValueId grouped =
      spell.reshape(node.inputs[0], {shape[0], groups, element_count(shape) / shape[0] / groups});
  const ValueId normal = spell.node(
      "InstanceNormalization", {grouped, spell.floats({groups}, 1), spell.floats({groups}, 0)},
      {{"epsilon", node.float_or("epsilon", 1e-5f)}});
  // Scale and bias: one per channel, or before opset 21 one per group.
  const bool per_group = shape_of(graph, node.inputs[1]) == Shape{groups} && groups != channels;
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
  const ValueId positive = spell.node("Max", {norm, spell.floats({}, 1e-30f)});
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
    const bool used = terms.output.find(label) != std::string::npos ||
                      a.find(label) != std::string::npos;
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
  const Shape a_shape = shape_of(graph, node.inputs[0]), b_shape = shape_of(graph, node.inputs[1]);
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

}  // namespace

bool respell(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.outputs.empty() || node.outputs[0] == kNoValue) return false;
  const bool joint = graph.opset != 0 && graph.opset < 13;
  if (node.is("CastLike")) return cast_like(graph, id);
  if (joint && (node.is("Softmax") || node.is("LogSoftmax"))) return joint_softmax(graph, id);
  if (node.is("GroupNormalization")) return group_norm(graph, id);
  if (node.is("LpNormalization")) return lp_norm(graph, id);
  if (node.is("Einsum")) return einsum(graph, id);
  return false;
}

}  // namespace heed::graph
