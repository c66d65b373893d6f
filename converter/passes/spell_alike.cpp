// One spelling for what exporters spell in several ways, so that later passes need to know one.

#include <algorithm>
#include <cmath>
#include <optional>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"
#include "converter/passes/strided_view.h"

namespace heed::passes {
namespace {

// Squeeze, Unsqueeze, Flatten -> Reshape; Transpose with its perm written out, or a Reshape where
// only dimensions of one move.
bool respell_shape_op(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const ValueId output = node.outputs[0], x = node.inputs[0];
  const Shape shape = shape_of(graph, output);
  if (node.is("Squeeze") || node.is("Unsqueeze") || node.is("Flatten")) {
    replace(graph, output,
            onnx_node("Reshape", node.name, {x, add_ints(graph, node.name + "/shape", shape)}));
    return true;
  }
  if (!node.is("Transpose")) return false;
  std::vector<int64_t> perm = node.ints_or("perm", {});
  if (perm.empty()) {
    for (size_t i = shape.size(); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
    graph.node(id).attributes["perm"] = perm;
  }
  if (!keeps_order(shape_of(graph, x), perm)) return false;
  replace(graph, output,
          onnx_node("Reshape", node.name, {x, add_ints(graph, node.name + "/shape", shape)}));
  return true;
}

// x - c -> x + -c, x / c -> x * (1 / c), c + x -> x + c, c * x -> x * c, 1 / x -> Reciprocal
bool respell_arithmetic(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const ValueId output = node.outputs[0];
  if (node.inputs.size() != 2 || graph.value(output).dtype != DType::f32) return false;
  const ValueId a = node.inputs[0], b = node.inputs[1];
  const Constant* left = floats_of(graph, a);
  const Constant* right = floats_of(graph, b);
  if ((left != nullptr) == (right != nullptr)) return false;
  if ((node.is("Add") || node.is("Mul")) && left != nullptr) {
    graph.set_input(id, 0, b);
    graph.set_input(id, 1, a);
    return true;
  }
  if (node.is("Div") && left != nullptr && left->elements() == 1 && left->f32[0] == 1.0f &&
      shape_of(graph, output) == shape_of(graph, b)) {
    replace(graph, output, onnx_node("Reciprocal", node.name, {b}));
    return true;
  }
  if (right == nullptr || !(node.is("Sub") || node.is("Div"))) return false;
  std::vector<float> inverse = right->f32;
  const bool is_division = node.is("Div");
  if (is_division && std::find(inverse.begin(), inverse.end(), 0.0f) != inverse.end()) return false;
  for (float& c : inverse) c = is_division ? 1.0f / c : -c;
  const ValueId constant =
      add_floats(graph, node.name + "/constant", right->shape, std::move(inverse));
  replace(graph, output, onnx_node(is_division ? "Mul" : "Add", node.name, {a, constant}));
  return true;
}

/// The one value of a constant tensor of several elements; nothing where they differ.
std::optional<float> uniform_value(const Graph& graph, ValueId value) {
  const Constant* constant = floats_of(graph, value);
  if (constant == nullptr || constant->elements() < 2) return std::nullopt;
  const float first = constant->f32[0];
  const bool equal = std::all_of(constant->f32.begin(), constant->f32.end(),
                                 [&](float c) { return c == first; });
  return equal ? std::optional<float>(first) : std::nullopt;
}

// A constant all of whose elements are equal and that widens nothing -> one element.
bool respell_uniform(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Add") && !node.is("Mul") && !node.is("Where")) return false;
  for (size_t i = node.is("Where") ? 1 : 0; i < node.inputs.size(); ++i) {
    const auto value = uniform_value(graph, node.inputs[i]);
    if (!value) continue;
    std::optional<Shape> others = Shape{};
    for (size_t j = 0; others && j < node.inputs.size(); ++j) {
      if (j != i) others = broadcast_shape(*others, shape_of(graph, node.inputs[j]));
    }
    if (!others || *others != shape_of(graph, node.outputs[0])) continue;
    graph.set_input(id, i, add_floats(graph, node.name + "/value", {}, {*value}));
    return true;
  }
  return false;
}

// (x + c) + d -> x + (c + d), (x c) d -> x (c d)
bool join_constants(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Add") && !node.is("Mul")) return false;
  const Constant* outer = floats_of(graph, node.inputs[1]);
  const Node* before = graph.producer(node.inputs[0], node.op);
  if (outer == nullptr || before == nullptr || graph.only_user(node.inputs[0]) != id) return false;
  const Constant* inner = floats_of(graph, before->inputs[1]);
  const ValueId x = before->inputs[0];
  if (inner == nullptr || floats_of(graph, x) != nullptr) return false;
  // The joined constant may be no larger than the larger of the two.
  const auto shape = broadcast_shape(inner->shape, outer->shape);
  if (!shape || element_count(*shape) > std::max(inner->elements(), outer->elements())) {
    return false;
  }
  const auto combine = [&](float a, float b) { return node.is("Add") ? a + b : a * b; };
  const ValueId constant =
      graph.add_constant(node.name + "/constant", combined(*inner, *outer, combine));
  replace(graph, node.outputs[0], onnx_node(node.op, node.name, {x, constant}));
  return true;
}

// x^2 -> x x, x^3 -> x x x, x^0.5 -> Sqrt, x^-0.5 -> Reciprocal(Sqrt)
bool respell_power(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Pow")) return false;
  const ValueId x = node.inputs[0], output = node.outputs[0];
  const auto exponent = graph.scalar(node.inputs[1]);
  const Shape shape = shape_of(graph, x);
  if (!exponent || graph.value(x).dtype != DType::f32 || shape != shape_of(graph, output)) {
    return false;
  }
  if (*exponent == 2.0f) {
    replace(graph, output, onnx_node("Mul", node.name, {x, x}));
  } else if (*exponent == 3.0f) {
    const ValueId square = emit(graph, onnx_node("Mul", node.name + "/square", {x, x}), shape);
    replace(graph, output, onnx_node("Mul", node.name, {square, x}));
  } else if (*exponent == 0.5f) {
    replace(graph, output, onnx_node("Sqrt", node.name, {x}));
  } else if (*exponent == -0.5f) {
    const ValueId root = emit(graph, onnx_node("Sqrt", node.name + "/root", {x}), shape);
    replace(graph, output, onnx_node("Reciprocal", node.name, {root}));
  } else {
    return false;
  }
  return true;
}

// Gather of one constant index -> Slice and Reshape
bool respell_gather(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Gather") || graph.constant(node.inputs[0]) != nullptr) return false;
  const Constant* index = graph.constant(node.inputs[1]);
  if (index == nullptr || index->elements() != 1 || index->dtype != DType::i64) return false;
  const ValueId x = node.inputs[0], output = node.outputs[0];
  const Shape& shape = shape_of(graph, x);
  const int64_t axis = axis_of(node.int_or("axis", 0), shape.size());
  const int64_t dim = shape[static_cast<size_t>(axis)];
  const int64_t at = index->i64[0] < 0 ? index->i64[0] + dim : index->i64[0];
  if (at < 0 || at >= dim) return false;
  const Shape to = shape_of(graph, output);
  const ValueId row = emit_slice(graph, x, axis, at, 1, node.name + "/slice");
  replace(graph, output,
          onnx_node("Reshape", node.name, {row, add_ints(graph, node.name + "/shape", to)}));
  return true;
}

// Split -> one Slice for each part
bool respell_split(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Split")) return false;
  const ValueId x = node.inputs[0];
  const Shape shape = shape_of(graph, x);
  const int64_t axis = axis_of(node.int_or("axis", 0), shape.size());
  const int64_t dim = shape[static_cast<size_t>(axis)];
  const int64_t parts = static_cast<int64_t>(node.outputs.size());
  std::vector<int64_t> sizes = node.ints_or("split", {});
  if (input_of(node, 1) != kNoValue) {
    auto given = ints_of(graph, node.inputs[1]);
    if (!given) return false;
    sizes = *given;
  }
  if (sizes.empty()) {
    const int64_t even = (dim + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i) sizes.push_back(std::min(even, dim - i * even));
  }
  int64_t start = 0;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const int64_t end = start + sizes[i];
    if (node.outputs[i] != kNoValue) {
      const std::string name = node.name + "/" + std::to_string(i);
      replace(
          graph, node.outputs[i],
          onnx_node(
              "Slice", name,
              {x, add_ints(graph, name + "/start", {start}), add_ints(graph, name + "/end", {end}),
               add_ints(graph, name + "/axis", {axis}), add_ints(graph, name + "/step", {1})}));
    }
    start = end;
  }
  graph.erase(id);
  return true;
}

// Sum of several -> Adds; GlobalAveragePool -> ReduceMean; GlobalMaxPool -> ReduceMax
bool respell_reduction(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const ValueId output = node.outputs[0];
  if (node.is("Sum") && node.inputs.size() >= 2) {
    ValueId sum = node.inputs[0];
    for (size_t i = 1; i + 1 < node.inputs.size(); ++i) {
      auto shape = broadcast_shape(shape_of(graph, sum), shape_of(graph, node.inputs[i]));
      if (!shape) return false;
      const std::string name = node.name + "/" + std::to_string(i);
      sum = emit(graph, onnx_node("Add", name, {sum, node.inputs[i]}), *shape);
    }
    replace(graph, output, onnx_node("Add", node.name, {sum, node.inputs.back()}));
    return true;
  }
  if (!node.is("GlobalAveragePool") && !node.is("GlobalMaxPool")) return false;
  std::vector<int64_t> axes;
  for (size_t i = 2; i < shape_of(graph, node.inputs[0]).size(); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  const char* op = node.is("GlobalAveragePool") ? "ReduceMean" : "ReduceMax";
  replace(graph, output, reduce_node(graph, op, node.name, node.inputs[0], axes, true));
  return true;
}

// BatchNormalization with constant statistics -> a multiplication and an addition per channel
bool respell_batch_norm(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("BatchNormalization") || node.inputs.size() < 5) return false;
  const Constant* p[4];
  for (size_t i = 0; i < 4; ++i) {
    p[i] = floats_of(graph, node.inputs[i + 1]);
    if (p[i] == nullptr) return false;
  }
  const double epsilon = node.float_or("epsilon", 1e-5f);
  const Shape shape = shape_of(graph, node.inputs[0]);
  Shape channel(shape.size() - 1, 1);
  channel[0] = shape[1];
  std::vector<float> scale(p[0]->f32.size()), shift(p[0]->f32.size());
  for (size_t c = 0; c < scale.size(); ++c) {
    const double s = p[0]->f32[c] / std::sqrt(static_cast<double>(p[3]->f32[c]) + epsilon);
    scale[c] = static_cast<float>(s);
    shift[c] = static_cast<float>(p[1]->f32[c] - s * p[2]->f32[c]);
  }
  const ValueId by = add_floats(graph, node.name + "/scale", channel, std::move(scale));
  const ValueId plus = add_floats(graph, node.name + "/shift", channel, std::move(shift));
  const ValueId scaled =
      emit(graph, onnx_node("Mul", node.name + "/mul", {node.inputs[0], by}), shape);
  replace(graph, node.outputs[0], onnx_node("Add", node.name, {scaled, plus}));
  return true;
}

/// source reshaped, transposed once, reshaped: whatever a chain of Reshapes and Transposes that
/// leads to this view did. False where the view is no permutation of the source.
bool transpose_once(Graph& graph, const Node& last, ValueId source, const StridedView& view) {
  const Runs order = view.order();
  Runs sorted = order;
  std::sort(sorted.begin(), sorted.end(),
            [](const Run& a, const Run& b) { return a.stride > b.stride; });
  Shape cut;
  int64_t stride = 1;
  for (size_t i = sorted.size(); i-- > 0;) {
    if (sorted[i].stride != stride) return false;
    stride *= sorted[i].size;
  }
  if (stride != element_count(shape_of(graph, source))) return false;
  std::vector<int64_t> perm;
  for (const Run& run : sorted) cut.push_back(run.size);
  for (const Run& run : order) {
    perm.push_back(std::find(sorted.begin(), sorted.end(), run) - sorted.begin());
  }
  ValueId x = emit_reshape(graph, source, cut, last.name + "/cut");
  x = emit_transpose(graph, x, perm, last.name + "/moved");
  const Shape shape = shape_of(graph, last.outputs[0]);
  replace(graph, last.outputs[0],
          onnx_node("Reshape", last.name, {x, add_ints(graph, last.name + "/shape", shape)}));
  return true;
}

/// Two Transposes of a chain (its nodes from the last to the first) in one.
bool merge_transposes(Graph& graph, const Node& last, const std::vector<NodeId>& chain) {
  size_t length = 0;
  int transposes = 0;
  for (size_t i = 0; i < chain.size(); ++i) {
    const Node& node = graph.node(chain[i]);
    if (!node.is("Reshape") && !node.is("Transpose")) break;
    if (node.is("Transpose")) {
      ++transposes;
      length = i + 1;
    }
  }
  if (transposes < 2) return false;
  const ValueId source = graph.node(chain[length - 1]).inputs[0];
  StridedView view = StridedView::whole(shape_of(graph, source));
  for (size_t i = length; i-- > 0;) {
    if (!apply_movement(graph, graph.node(chain[i]), view)) return false;
  }
  return transpose_once(graph, last, source, view);
}

// A Reshape of a Reshape, a Transpose of a Transpose, and longer chains of movements that only
// rename dimensions: one Reshape, or nothing.
bool shorten_movement(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Reshape") && !node.is("Transpose")) return false;
  const ValueId output = node.outputs[0];
  const Shape shape = shape_of(graph, output);
  std::vector<NodeId> chain;
  NodeId at = id;
  while (at != kNoNode && is_movement(graph, graph.node(at))) {
    chain.push_back(at);
    at = graph.producer_id(graph.node(at).inputs[0]);
  }
  for (size_t length = chain.size(); length > 0; --length) {
    const ValueId source = graph.node(chain[length - 1]).inputs[0];
    StridedView view = StridedView::whole(shape_of(graph, source));
    const Runs whole = view.order();
    bool good = true;
    for (size_t i = length; good && i-- > 0;) {
      good = apply_movement(graph, graph.node(chain[i]), view);
    }
    if (!good || view.offset != 0 || view.order() != whole) continue;
    if (shape_of(graph, source) == shape) return bypass(graph, output, source);
    if (length == 1) return false;
    replace(
        graph, output,
        onnx_node("Reshape", node.name, {source, add_ints(graph, node.name + "/shape", shape)}));
    return true;
  }
  return merge_transposes(graph, node, chain);
}

/// Whether it only exchanges the last two dimensions.
bool turns_matrices(const Node& node) {
  std::vector<int64_t> perm = node.ints_or("perm", {});
  if (!node.is("Transpose") || perm.size() < 2) return false;
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return is_identity(perm);
}

// (a b)^T -> b^T a^T where both operands are transposed already: Keras scores keys against queries
// and turns the scores. The other way round nothing is left to turn.
bool turn_operands(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!turns_matrices(node)) return false;
  const ValueId product = node.inputs[0];
  const Node* producer = graph.producer(product, "MatMul");
  if (producer == nullptr || graph.only_user(product) != id) return false;
  const Node matmul = *producer;
  for (const ValueId operand : matmul.inputs) {
    if (graph.producer(operand, "Transpose") == nullptr ||
        shape_of(graph, operand).size() != shape_of(graph, product).size()) {
      return false;
    }
  }
  std::vector<ValueId> turned;
  for (size_t i = 0; i < 2; ++i) {
    const std::string name = matmul.name + (i == 0 ? "/second" : "/first");
    turned.push_back(
        emit_transpose(graph, matmul.inputs[1 - i], node.ints_or("perm", {}), name));
  }
  replace(graph, node.outputs[0], onnx_node("MatMul", matmul.name, turned));
  return true;
}

// x + 0, x * 1, an Expand or a Pad that does nothing
bool remove_no_op(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const ValueId output = node.outputs[0];
  bool does_nothing = node.is("Identity");
  if (node.is("Add") || node.is("Mul")) {
    const Constant* constant = floats_of(graph, input_of(node, 1));
    const float neutral = node.is("Add") ? 0.0f : 1.0f;
    does_nothing = constant != nullptr && std::all_of(constant->f32.begin(), constant->f32.end(),
                                                      [&](float c) { return c == neutral; });
  }
  if (node.is("Pad")) {
    auto pads = ints_of(graph, input_of(node, 1));
    does_nothing =
        pads && std::all_of(pads->begin(), pads->end(), [](int64_t n) { return n == 0; });
  }
  does_nothing = does_nothing || node.is("Expand");
  if (!does_nothing || graph.constant(node.inputs[0]) != nullptr ||
      shape_of(graph, node.inputs[0]) != shape_of(graph, output)) {
    return false;
  }
  return bypass(graph, output, node.inputs[0]);
}

constexpr bool (*kRewrites[])(Graph&, NodeId) = {
    respell_shape_op, respell_arithmetic, respell_uniform,    join_constants,
    respell_power,    respell_gather,     respell_split,      respell_reduction,
    respell_batch_norm, remove_no_op,     shorten_movement,   turn_operands,
};

}  // namespace

bool spell_alike(Graph& graph, PassReport&) {
  return rewrite_to_rest(graph, [](Graph& g, NodeId id) {
    if (g.node(id).inputs.empty()) return false;  // a state has one spelling
    for (auto rewrite : kRewrites) {
      if (rewrite(g, id)) return true;
    }
    return false;
  });
}

}  // namespace heed::passes
