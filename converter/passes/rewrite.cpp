#include "converter/passes/rewrite.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace heed::passes {
namespace {

const Shape kUnknownShape = {-1};

/// Row-major strides of a shape.
Shape strides_of(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace

const Shape& shape_of(const Graph& graph, ValueId value) {
  if (value == kNoValue) return kUnknownShape;
  const std::optional<Shape>& shape = graph.value(value).shape;
  return shape ? *shape : kUnknownShape;
}

int64_t element_count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

int64_t axis_of(int64_t axis, size_t rank) {
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

ValueId input_of(const Node& node, size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kNoValue;
}

std::optional<std::vector<int64_t>> ints_of(const Graph& graph, ValueId value) {
  const Constant* constant = graph.constant(value);
  if (constant == nullptr || constant->dtype != DType::i64) return std::nullopt;
  return constant->i64;
}

const Constant* floats_of(const Graph& graph, ValueId value) {
  const Constant* constant = graph.constant(value);
  return constant != nullptr && constant->dtype == DType::f32 ? constant : nullptr;
}

std::optional<std::vector<int64_t>> reduced_axes(const Graph& graph, const Node& node) {
  const size_t rank = shape_of(graph, input_of(node, 0)).size();
  std::vector<int64_t> axes = node.ints_or("axes", {});
  const ValueId operand = input_of(node, 1);
  if (operand != kNoValue) {
    auto given = ints_of(graph, operand);
    if (!given) return std::nullopt;
    axes = *given;
  }
  if (axes.empty()) {
    if (node.int_or("noop_with_empty_axes", 0) != 0) return axes;
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  for (int64_t& axis : axes) axis = axis_of(axis, rank);
  std::sort(axes.begin(), axes.end());
  return axes;
}

Shape without_leading_ones(const Shape& shape) {
  auto first = std::find_if(shape.begin(), shape.end(), [](int64_t d) { return d != 1; });
  return Shape(first, shape.end());
}

std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const size_t from_end = result.size() - i;
    const int64_t da = from_end <= a.size() ? a[a.size() - from_end] : 1;
    const int64_t db = from_end <= b.size() ? b[b.size() - from_end] : 1;
    if (da != db && da != 1 && db != 1) return std::nullopt;
    result[i] = da == 1 ? db : da;
  }
  return result;
}

std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId value, int64_t n) {
  const Constant* constant = floats_of(graph, value);
  if (constant == nullptr) return std::nullopt;
  if (constant->elements() == 1) {
    return std::vector<float>(static_cast<size_t>(n), constant->f32[0]);
  }
  if (constant->elements() != n || constant->shape.back() != n) return std::nullopt;
  return constant->f32;
}

std::optional<ConstantOperand> constant_operand(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    if (graph.constant(node.inputs[1 - i]) != nullptr &&
        graph.constant(node.inputs[i]) == nullptr) {
      return ConstantOperand{node.inputs[i], node.inputs[1 - i]};
    }
  }
  return std::nullopt;
}

std::optional<ScalarOperand> scalar_operand(const Graph& graph, const Node& node) {
  auto operand = constant_operand(graph, node);
  if (!operand) return std::nullopt;
  auto scalar = graph.scalar(operand->constant);
  if (!scalar) return std::nullopt;
  if (shape_of(graph, operand->constant).size() > shape_of(graph, operand->other).size()) {
    return std::nullopt;
  }
  return ScalarOperand{operand->other, *scalar};
}

ConstantPtr make_floats(Shape shape, std::vector<float> elements) {
  auto constant = std::make_shared<Constant>();
  constant->shape = std::move(shape);
  constant->f32 = std::move(elements);
  return constant;
}

ValueId add_floats(Graph& graph, const std::string& name, Shape shape,
                   std::vector<float> elements) {
  return graph.add_constant(name, make_floats(std::move(shape), std::move(elements)));
}

ValueId add_ints(Graph& graph, const std::string& name, std::vector<int64_t> elements) {
  auto constant = std::make_shared<Constant>();
  constant->dtype = DType::i64;
  constant->shape = {static_cast<int64_t>(elements.size())};
  constant->i64 = std::move(elements);
  return graph.add_constant(name, constant);
}

ConstantPtr combined(const Constant& a, const Constant& b,
                     const std::function<float(float, float)>& combine) {
  const Shape shape = *broadcast_shape(a.shape, b.shape);
  const auto at = [](const Constant& c, const Shape& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < c.shape.size(); ++i) {
      const size_t from = i + index.size() - c.shape.size();
      offset = offset * c.shape[i] + (c.shape[i] == 1 ? 0 : index[from]);
    }
    return c.f32[static_cast<size_t>(offset)];
  };
  std::vector<float> result;
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < element_count(shape); ++i) {
    result.push_back(combine(at(a, index), at(b, index)));
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
  return make_floats(shape, std::move(result));
}

ValueId emit(Graph& graph, Node node, Shape shape, DType dtype) {
  const ValueId output = graph.add_value(node.name, dtype, std::move(shape));
  node.outputs = {output};
  graph.add_node(std::move(node));
  return output;
}

Node onnx_node(std::string op, std::string name, std::vector<ValueId> inputs,
               Attributes attributes) {
  Node node;
  node.op = std::move(op);
  node.name = std::move(name);
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  return node;
}

Node fused_node(std::string op, std::string name, std::vector<ValueId> inputs,
                Attributes attributes) {
  Node node = onnx_node(std::move(op), std::move(name), std::move(inputs), std::move(attributes));
  node.domain = kFusedDomain;
  return node;
}

Node reduce_node(Graph& graph, const std::string& op, const std::string& name, ValueId x,
                 const std::vector<int64_t>& axes, bool keep_dims) {
  Node node = onnx_node(op, name, {x}, {{"keepdims", int64_t{keep_dims}}});
  const int64_t operand_since = op == "ReduceSum" ? 13 : 18;
  if (graph.opset >= operand_since) {
    node.inputs.push_back(add_ints(graph, name + "/axes", axes));
  } else {
    node.attributes["axes"] = axes;
  }
  return node;
}

bool has_wanted_output(const Graph& graph, NodeId id) {
  for (ValueId output : graph.node(id).outputs) {
    if (output == kNoValue) continue;
    if (!graph.value(output).users.empty() || graph.is_output(output)) return true;
  }
  return false;
}

NodeId replace(Graph& graph, ValueId output, Node node) {
  node.outputs = {kNoValue};
  const NodeId id = graph.add_node(std::move(node));
  graph.take_output(id, 0, output);
  return id;
}

bool bypass(Graph& graph, ValueId from, ValueId to) {
  if (!graph.is_output(from)) {
    graph.replace_uses(from, to);
    return true;
  }
  const NodeId producer = graph.producer_id(to);
  if (producer == kNoNode || graph.is_output(to)) return false;
  size_t index = 0;
  while (graph.node(producer).outputs[index] != to) ++index;
  graph.replace_uses(to, from);
  graph.take_output(producer, index, from);
  return true;
}

ValueId emit_reshape(Graph& graph, ValueId x, const Shape& shape, const std::string& name) {
  if (shape_of(graph, x) == shape) return x;
  if (const Constant* constant = graph.constant(x)) {
    auto copy = std::make_shared<Constant>(*constant);
    copy->shape = shape;
    return graph.add_constant(graph.value(x).name, copy);
  }
  const DType dtype = graph.value(x).dtype;
  const ValueId target = add_ints(graph, name + "/shape", shape);
  return emit(graph, onnx_node("Reshape", name, {x, target}), shape, dtype);
}

ValueId emit_transpose(Graph& graph, ValueId x, const std::vector<int64_t>& perm,
                       const std::string& name) {
  if (is_identity(perm)) return x;
  const Shape shape = shape_of(graph, x);
  if (keeps_order(shape, perm)) return emit_reshape(graph, x, permuted(shape, perm), name);
  if (const Constant* constant = floats_of(graph, x)) {
    auto moved = transposed(constant->f32, shape, perm);
    return add_floats(graph, graph.value(x).name, permuted(shape, perm), std::move(moved));
  }
  const DType dtype = graph.value(x).dtype;
  return emit(graph, onnx_node("Transpose", name, {x}, {{"perm", perm}}), permuted(shape, perm),
              dtype);
}

ValueId emit_slice(Graph& graph, ValueId x, int64_t axis, int64_t start, int64_t size,
                   const std::string& name) {
  Shape shape = shape_of(graph, x);
  int64_t& dim = shape[static_cast<size_t>(axis)];
  if (start == 0 && size == dim) return x;
  if (const Constant* constant = floats_of(graph, x)) {
    const Shape& s = constant->shape;
    const auto at = s.begin() + axis;
    const int64_t inner = element_count(Shape(at + 1, s.end()));
    const int64_t outer = element_count(Shape(s.begin(), at));
    std::vector<float> kept;
    for (int64_t o = 0; o < outer; ++o) {
      const auto first = constant->f32.begin() + (o * dim + start) * inner;
      kept.insert(kept.end(), first, first + size * inner);
    }
    dim = size;
    return add_floats(graph, name, shape, std::move(kept));
  }
  dim = size;
  const DType dtype = graph.value(x).dtype;
  std::vector<ValueId> inputs = {
      x, add_ints(graph, name + "/start", {start}), add_ints(graph, name + "/end", {start + size}),
      add_ints(graph, name + "/axis", {axis}), add_ints(graph, name + "/step", {1})};
  return emit(graph, onnx_node("Slice", name, std::move(inputs)), shape, dtype);
}

Shape permuted(const Shape& shape, const std::vector<int64_t>& perm) {
  Shape result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) result[i] = shape[static_cast<size_t>(perm[i])];
  return result;
}

std::vector<int64_t> inverse_permutation(const std::vector<int64_t>& perm) {
  std::vector<int64_t> inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  }
  return inverse;
}

bool is_identity(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

bool keeps_order(const Shape& shape, const std::vector<int64_t>& perm) {
  int64_t last = -1;
  for (int64_t axis : perm) {
    if (shape[static_cast<size_t>(axis)] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

std::vector<float> transposed(const std::vector<float>& x, const Shape& shape,
                              const std::vector<int64_t>& perm) {
  const Shape to = permuted(shape, perm);
  const Shape from_strides = permuted(strides_of(shape), perm);
  std::vector<float> result(x.size());
  Shape index(to.size(), 0);
  int64_t from = 0;
  for (float& element : result) {
    element = x[static_cast<size_t>(from)];
    for (size_t d = to.size(); d-- > 0;) {
      from += from_strides[d];
      if (++index[d] < to[d]) break;
      from -= from_strides[d] * to[d];
      index[d] = 0;
    }
  }
  return result;
}

}  // namespace heed::passes
