// Moves transposes towards the outputs, past every op that can work in the other order of
// dimensions, until they meet their inverse and vanish. Graphs that keep channels first between
// convolutions lose all but the first and the last.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"
#include "converter/passes/strided_view.h"

namespace heed::passes {
namespace {

using Permutation = std::vector<int64_t>;

/// A value that is the permutation `perm` of another.
struct Transposed {
  ValueId source;
  Permutation perm;
};

std::optional<Transposed> transposed_value(const Graph& graph, ValueId value) {
  const Node* node = graph.producer(value, "Transpose");
  if (node == nullptr) return std::nullopt;
  return Transposed{node->inputs[0], node->ints_or("perm", {})};
}

constexpr std::string_view kElementwise[] = {
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Min",
    "Max",
    "Mod",
    "Equal",
    "Less",
    "Where",
    "Greater",
    "And",
    "Or",
    "Xor",
    "Not",
    "Neg",
    "Abs",
    "Exp",
    "Log",
    "Sqrt",
    "Erf",
    "Tanh",
    "Relu",
    "Sin",
    "Cos",
    "Sign",
    "Floor",
    "Ceil",
    "Round",
    "Sigmoid",
    "Clip",
    "Cast",
    "Elu",
    "LeakyRelu",
    "IsNaN",
    "PRelu",
    "HardSigmoid",
    "HardSwish",
    "Softplus",
    "Reciprocal",
    "LessOrEqual",
    "GreaterOrEqual",
    "Activation",
    "Identity",
    "Gelu",
    "Mish",
    "Softsign",
    "Selu",
    "ThresholdedRelu",
};

bool is_elementwise(const Node& node) {
  return std::find(std::begin(kElementwise), std::end(kElementwise), node.op) !=
         std::end(kElementwise);
}

/// The value whose permutation is `value`: found, folded or reshaped, but never moved at run time.
ValueId untransposed(Graph& graph, ValueId value, const Permutation& perm, size_t rank,
                     const std::string& name) {
  if (const auto known = transposed_value(graph, value); known && known->perm == perm) {
    return known->source;
  }
  const Shape own = shape_of(graph, value);
  if (own.size() > rank) return kNoValue;
  if (element_count(own) == 1) return value;
  Shape shape(rank - own.size(), 1);
  shape.insert(shape.end(), own.begin(), own.end());
  const Permutation inverse = inverse_permutation(perm);
  if (floats_of(graph, value) == nullptr && !keeps_order(shape, inverse)) return kNoValue;
  const ValueId aligned = emit_reshape(graph, value, shape, name + "/aligned");
  return emit_transpose(graph, aligned, inverse, name + "/untransposed");
}

/// Ends a rewrite: `node` works in the other order, and its output is transposed instead.
void put_transpose_after(Graph& graph, ValueId output, Node node, const Shape& shape,
                         const Permutation& perm) {
  const DType dtype = graph.value(output).dtype;
  const std::string name = node.name;
  const ValueId y = emit(graph, std::move(node), shape, dtype);
  replace(graph, output, onnx_node("Transpose", name + "/transposed", {y}, {{"perm", perm}}));
}

bool sink_past_elementwise(Graph& graph, const Node& node, const Transposed& x) {
  const ValueId output = node.outputs[0];
  const Shape shape = shape_of(graph, output);
  const size_t rank = x.perm.size();
  if (shape.size() != rank) return false;
  Node moved = node;
  for (ValueId& input : moved.inputs) {
    if (input == kNoValue) continue;
    input = untransposed(graph, input, x.perm, rank, node.name);
    if (input == kNoValue) return false;
  }
  put_transpose_after(graph, output, std::move(moved), permuted(shape, inverse_permutation(x.perm)),
                      x.perm);
  return true;
}

bool sink_past_concat(Graph& graph, const Node& node, const Transposed& x) {
  const Shape shape = shape_of(graph, node.outputs[0]);
  Node moved = node;
  for (ValueId& input : moved.inputs) {
    // A constant of one element is left as it is by untransposed: not here, where its rank counts.
    if (shape_of(graph, input).size() != x.perm.size()) return false;
    input = untransposed(graph, input, x.perm, x.perm.size(), node.name);
    if (input == kNoValue) return false;
  }
  const int64_t axis = axis_of(node.int_or("axis", 0), shape.size());
  moved.attributes["axis"] = x.perm[static_cast<size_t>(axis)];
  put_transpose_after(graph, node.outputs[0], std::move(moved),
                      permuted(shape, inverse_permutation(x.perm)), x.perm);
  return true;
}

bool sink_past_slice(Graph& graph, const Node& node, const Transposed& x) {
  const auto starts = ints_of(graph, input_of(node, 1)), ends = ints_of(graph, input_of(node, 2));
  if (!starts || !ends) return false;
  const Shape shape = shape_of(graph, node.outputs[0]);
  std::vector<int64_t> axes;
  const auto ranges = slice_ranges(graph, node);
  if (!ranges) return false;
  for (const SliceRange& range : *ranges) axes.push_back(x.perm[range.axis]);
  Node moved = node;
  moved.inputs.resize(5, kNoValue);
  moved.inputs[0] = x.source;
  moved.inputs[3] = add_ints(graph, node.name + "/axes", axes);
  if (moved.inputs[4] == kNoValue) {
    moved.inputs[4] = add_ints(graph, node.name + "/steps", std::vector<int64_t>(axes.size(), 1));
  }
  put_transpose_after(graph, node.outputs[0], std::move(moved),
                      permuted(shape, inverse_permutation(x.perm)), x.perm);
  return true;
}

bool sink_past_pad(Graph& graph, const Node& node, const Transposed& x) {
  const auto pads = ints_of(graph, input_of(node, 1));
  const size_t rank = x.perm.size();
  if (!pads || pads->size() != 2 * rank || input_of(node, 3) != kNoValue) return false;
  std::vector<int64_t> moved_pads(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const size_t to = static_cast<size_t>(x.perm[i]);
    moved_pads[to] = (*pads)[i];
    moved_pads[to + rank] = (*pads)[i + rank];
  }
  const Shape shape = shape_of(graph, node.outputs[0]);
  Node moved = node;
  moved.inputs[0] = x.source;
  moved.inputs[1] = add_ints(graph, node.name + "/pads", moved_pads);
  put_transpose_after(graph, node.outputs[0], std::move(moved),
                      permuted(shape, inverse_permutation(x.perm)), x.perm);
  return true;
}

bool is_reduction(const Node& node) { return node.domain.empty() && node.op.starts_with("Reduce"); }

bool sink_past_reduction(Graph& graph, const Node& node, const Transposed& x) {
  const auto axes = reduced_axes(graph, node);
  if (!axes || axes->empty()) return false;
  std::vector<int64_t> moved_axes;
  for (int64_t axis : *axes) moved_axes.push_back(x.perm[static_cast<size_t>(axis)]);
  std::sort(moved_axes.begin(), moved_axes.end());  // a dimension may be named twice
  moved_axes.erase(std::unique(moved_axes.begin(), moved_axes.end()), moved_axes.end());
  const bool keep_dims = node.int_or("keepdims", 1) != 0;
  Permutation perm = x.perm;
  if (!keep_dims) {
    perm.clear();
    for (size_t i = 0; i < x.perm.size(); ++i) {
      const int64_t from = x.perm[i];
      if (std::binary_search(moved_axes.begin(), moved_axes.end(), from)) continue;
      perm.push_back(from - (std::lower_bound(moved_axes.begin(), moved_axes.end(), from) -
                             moved_axes.begin()));
    }
  }
  const Shape shape = shape_of(graph, node.outputs[0]);
  Node moved = node;
  moved.inputs[0] = x.source;
  if (input_of(node, 1) != kNoValue) {
    moved.inputs[1] = add_ints(graph, node.name + "/axes", moved_axes);
  } else {
    moved.attributes["axes"] = moved_axes;
  }
  put_transpose_after(graph, node.outputs[0], std::move(moved),
                      permuted(shape, inverse_permutation(perm)), perm);
  return true;
}

// Linear and Norm work on the last dimension: a transpose of the others passes them, where it
// serves nothing else (three projections of one transposed input would be three transposes). A
// softmax goes where its dimension goes, so long as that is last (or was not before).
bool sink_past_rows(Graph& graph, const Node& node, const Transposed& x) {
  const int64_t last = static_cast<int64_t>(x.perm.size()) - 1;
  Node moved = node;
  if (node.is("Softmax") || node.is("LogSoftmax")) {
    if (graph.opset < 13) return false;
    const int64_t axis = axis_of(node.int_or("axis", -1), x.perm.size());
    const int64_t to = x.perm[static_cast<size_t>(axis)];
    if (to != last && axis == last) return false;
    moved.attributes["axis"] = to;
  } else if (x.perm.back() != last || input_of(node, 3) != kNoValue ||
             graph.only_user(node.inputs[0]) == kNoNode) {
    return false;
  }
  const Shape shape = shape_of(graph, node.outputs[0]);
  moved.inputs[0] = x.source;
  put_transpose_after(graph, node.outputs[0], std::move(moved),
                      permuted(shape, inverse_permutation(x.perm)), x.perm);
  return true;
}

/// Dimensions begin .. end-1 of one shape that become dimensions of another as a group.
struct Group {
  size_t from_begin, from_end, to_begin, to_end;
};

/// How a reshape cuts into the smallest groups of equal size.
std::vector<Group> reshape_groups(const Shape& from, const Shape& to) {
  std::vector<Group> groups;
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    Group group{i, i + 1, j, j + 1};
    int64_t a = from[i++], b = to[j++];
    while (a != b) {
      if (a < b) {
        if (i == from.size()) return {};
        a *= from[i++];
      } else {
        if (j == to.size()) return {};
        b *= to[j++];
      }
    }
    group.from_end = i;
    group.to_end = j;
    groups.push_back(group);
  }
  if (groups.empty()) return {};
  groups.back().from_end = from.size();  // ones at the end
  groups.back().to_end = to.size();
  return groups;
}

// A reshape that cuts or joins dimensions that also lie together before the transpose.
bool sink_past_reshape(Graph& graph, const Node& node, const Transposed& x) {
  const Shape from = shape_of(graph, node.inputs[0]), to = shape_of(graph, node.outputs[0]);
  std::vector<Group> groups = reshape_groups(from, to);
  if (groups.empty()) return false;
  for (const Group& group : groups) {
    for (size_t i = group.from_begin + 1; i < group.from_end; ++i) {
      if (x.perm[i] != x.perm[i - 1] + 1) return false;
    }
  }
  std::sort(groups.begin(), groups.end(), [&](const Group& a, const Group& b) {
    return x.perm[a.from_begin] < x.perm[b.from_begin];
  });
  Shape shape;
  Permutation perm(to.size());
  for (const Group& group : groups) {
    for (size_t j = group.to_begin; j < group.to_end; ++j) {
      perm[j] = static_cast<int64_t>(shape.size());
      shape.push_back(to[j]);
    }
  }
  Node moved =
      onnx_node("Reshape", node.name, {x.source, add_ints(graph, node.name + "/to", shape)});
  put_transpose_after(graph, node.outputs[0], std::move(moved), shape, perm);
  return true;
}

// A Reshape that leaves rows whole, before an op that works row by row: it can come after as well,
// where it meets the one that undoes it.
bool sink_reshape(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const bool by_rows = node.is("Linear", kFusedDomain) || node.is("Norm", kFusedDomain);
  if (!by_rows && !node.is("Activation", kFusedDomain)) return false;
  const Node* before = graph.producer(node.inputs[0], "Reshape");
  if (before == nullptr || input_of(node, 3) != kNoValue) return false;
  const ValueId source = before->inputs[0], output = node.outputs[0];
  Shape shape = shape_of(graph, source);
  const Shape from = shape_of(graph, node.inputs[0]), to = shape_of(graph, output);
  if (by_rows && (shape.empty() || shape.back() != from.back())) return false;
  if (by_rows) shape.back() = to.back();
  Node moved = node;
  moved.inputs[0] = source;
  const ValueId y = emit(graph, std::move(moved), shape);
  const ValueId target = add_ints(graph, node.name + "/shape", to);
  replace(graph, output, onnx_node("Reshape", node.name + "/reshaped", {y, target}));
  return true;
}

bool sink_past(Graph& graph, NodeId id) {
  if (sink_reshape(graph, id)) return true;
  const Node node = graph.node(id);
  if (node.outputs.size() != 1 || node.is("Transpose")) return false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const auto x = transposed_value(graph, node.inputs[i]);
    if (!x) continue;
    if (is_elementwise(node)) {
      if (sink_past_elementwise(graph, node, *x)) return true;
      continue;
    }
    if (node.is("Concat")) {
      if (sink_past_concat(graph, node, *x)) return true;
      continue;
    }
    if (i != 0) return false;
    if (node.is("Slice")) return sink_past_slice(graph, node, *x);
    if (node.is("Pad")) return sink_past_pad(graph, node, *x);
    if (node.is("Reshape")) return sink_past_reshape(graph, node, *x);
    if (is_reduction(node)) return sink_past_reduction(graph, node, *x);
    if (node.is("Linear", kFusedDomain) || node.is("Norm", kFusedDomain) || node.is("Softmax") ||
        node.is("LogSoftmax")) {
      return sink_past_rows(graph, node, *x);
    }
    return false;
  }
  return false;
}

/// Elements that all transposes move.
int64_t moved_elements(const Graph& graph) {
  int64_t sum = 0;
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is("Transpose")) sum += element_count(shape_of(graph, node.outputs[0]));
  }
  return sum;
}

}  // namespace

bool sink_transposes(Graph& graph, PassReport& report) {
  Graph trial = graph;
  bool changed = false;
  while (rewrite_to_rest(trial, sink_past)) {
    changed = true;
    spell_alike(trial, report);
  }
  if (!changed || moved_elements(trial) > moved_elements(graph)) return false;
  graph = std::move(trial);
  return true;
}

}  // namespace heed::passes
