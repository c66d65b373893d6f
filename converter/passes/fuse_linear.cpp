// MatMul and Gemm with constant weights -> Linear.

#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

/// Weights [N,K] from a constant [K,N] (or [N,K] where already transposed).
ValueId linear_weights(Graph& graph, ValueId constant, bool is_n_by_k, float factor,
                       const std::string& name) {
  const Constant& w = *graph.constant(constant);
  const Shape matrix(w.shape.end() - 2, w.shape.end());
  std::vector<float> data = is_n_by_k ? w.f32 : transposed(w.f32, matrix, {1, 0});
  if (factor != 1.0f) {
    for (float& x : data) x *= factor;
  }
  const Shape shape = is_n_by_k ? matrix : Shape{matrix[1], matrix[0]};
  return add_floats(graph, name + "/weight", shape, std::move(data));
}

Node linear_node(const std::string& name, std::vector<ValueId> inputs) {
  return fused_node("Linear", name, std::move(inputs), {{"activation", std::string()}});
}

/// Whether a constant is one matrix, whatever ones stand before it.
bool is_matrix(const Constant* constant) {
  return constant != nullptr && constant->shape.size() >= 2 &&
         constant->elements() ==
             constant->shape.back() * constant->shape[constant->shape.size() - 2];
}

bool fuse_matmul(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("MatMul")) return false;
  const ValueId x = node.inputs[0], w = node.inputs[1], output = node.outputs[0];
  const Constant* weights = floats_of(graph, w);
  const Shape x_shape = shape_of(graph, x);
  if (weights == nullptr || graph.constant(x) != nullptr || x_shape.empty()) return false;
  if (!is_matrix(weights)) {
    report.missed(id, "MatMul '" + node.name +
                          "' stays general: its weights are not one matrix for all batches");
    return false;
  }
  const ValueId matrix = linear_weights(graph, w, false, 1.0f, node.name);
  Node linear = linear_node(node.name, {x, matrix});
  Shape rows = x_shape;
  rows.back() = shape_of(graph, matrix)[0];
  if (rows == shape_of(graph, output)) {
    replace(graph, output, std::move(linear));
  } else {
    const ValueId y = emit(graph, std::move(linear), rows);
    const ValueId target = add_ints(graph, node.name + "/shape", shape_of(graph, output));
    replace(graph, output, onnx_node("Reshape", node.name + "/out", {y, target}));
  }
  report.fused("Linear", node.name, {node.name});
  return true;
}

// A constant matrix from the left: W x = (x^T W^T)^T.
bool fuse_left_matmul(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("MatMul")) return false;
  const ValueId w = node.inputs[0], x = node.inputs[1], output = node.outputs[0];
  const Shape x_shape = shape_of(graph, x), y_shape = shape_of(graph, output);
  if (!is_matrix(floats_of(graph, w)) || graph.constant(x) != nullptr || x_shape.size() < 2 ||
      y_shape.size() != x_shape.size()) {
    return false;
  }
  std::vector<int64_t> perm(x_shape.size());
  for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  const ValueId matrix = linear_weights(graph, w, true, 1.0f, node.name);
  const ValueId turned = emit_transpose(graph, x, perm, node.name + "/turned");
  const ValueId y = emit(graph, linear_node(node.name, {turned, matrix}), permuted(y_shape, perm));
  replace(graph, output, onnx_node("Transpose", node.name + "/out", {y}, {{"perm", perm}}));
  report.fused("Linear", node.name, {node.name});
  return true;
}

bool fuse_gemm(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Gemm")) return false;
  const auto miss = [&](const char* why) {
    report.missed(id, "Gemm '" + node.name + "' stays general: " + why);
    return false;
  };
  const ValueId x = node.inputs[0], w = node.inputs[1], c = input_of(node, 2);
  if (floats_of(graph, w) == nullptr) return miss("its weights are not constant");
  if (graph.constant(x) != nullptr) return miss("its input is constant");
  const bool is_n_by_k = node.int_or("transB", 0) != 0;
  const ValueId matrix =
      linear_weights(graph, w, is_n_by_k, node.float_or("alpha", 1.0f), node.name);
  const int64_t n = shape_of(graph, matrix)[0];
  std::vector<ValueId> inputs = {x, matrix};
  if (node.int_or("transA", 0) != 0) {
    inputs[0] = emit_transpose(graph, x, {1, 0}, node.name + "/turned");
  }
  const float beta = node.float_or("beta", 1.0f);
  ValueId added = kNoValue;  // what is no bias: added afterwards
  if (c != kNoValue && beta != 0.0f) {
    auto bias = per_channel(graph, c, n);
    if (bias) {
      for (float& b : *bias) b *= beta;
      inputs.push_back(add_floats(graph, node.name + "/bias", {n}, std::move(*bias)));
    } else if (beta == 1.0f) {
      added = c;
    } else {
      return miss("what it adds is no bias");
    }
  }
  Node linear = linear_node(node.name, std::move(inputs));
  if (added == kNoValue) {
    replace(graph, node.outputs[0], std::move(linear));
  } else {
    const Shape shape = shape_of(graph, node.outputs[0]);
    const ValueId y = emit(graph, std::move(linear), shape);
    replace(graph, node.outputs[0], onnx_node("Add", node.name + "/add", {y, added}));
  }
  report.fused("Linear", node.name, {node.name});
  return true;
}

}  // namespace

bool fuse_linear(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) {
    return fuse_matmul(g, report, id) || fuse_left_matmul(g, report, id) ||
           fuse_gemm(g, report, id);
  });
}

}  // namespace heed::passes
