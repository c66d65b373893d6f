// Ops that stand for several: ONNX Runtime's com.microsoft ops and ONNX's own Attention, written
// out in plain ONNX. What they fuse is fused again, for every exporter alike, by the passes that
// follow.

#include "converter/passes/expand_attention.h"
#include "converter/passes/expand_einsum.h"
#include "converter/passes/expand_rotary.h"
#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

Node scaled_by(Graph& graph, const std::string& name, ValueId x, float factor) {
  return onnx_node("Mul", name, {x, add_floats(graph, name + "/factor", {}, {factor})});
}

/// x * sigmoid(alpha x)
void expand_swish(Graph& graph, const Node& node, ValueId x, float alpha) {
  const Shape shape = shape_of(graph, x);
  const ValueId scaled = emit(graph, scaled_by(graph, node.name + "/scaled", x, alpha), shape);
  const ValueId gate = emit(graph, onnx_node("Sigmoid", node.name + "/gate", {scaled}), shape);
  replace(graph, node.outputs[0], onnx_node("Mul", node.name, {x, gate}));
}

// Gelu, FastGelu(x, bias), BiasGelu(x, bias), QuickGelu; ONNX's Swish
bool expand_gelu(Graph& graph, const Node& node) {
  const bool fast = node.is("FastGelu", kMicrosoft);
  if (node.is("QuickGelu", kMicrosoft)) {
    expand_swish(graph, node, node.inputs[0], node.float_or("alpha", 1.702f));
    return true;
  }
  if (node.is("Swish")) {
    expand_swish(graph, node, node.inputs[0], node.float_or("alpha", 1.0f));
    return true;
  }
  if (!fast && !node.is("Gelu", kMicrosoft) && !node.is("BiasGelu", kMicrosoft)) return false;
  ValueId x = node.inputs[0];
  const Shape shape = shape_of(graph, node.outputs[0]);
  if (input_of(node, 1) != kNoValue) {
    x = emit(graph, onnx_node("Add", node.name + "/bias", {x, node.inputs[1]}), shape);
  }
  replace(graph, node.outputs[0],
          fused_node("Activation", node.name, {x},
                     {{"activation", std::string(fast ? "GeluTanh" : "GeluErf")}}));
  return true;
}

// SkipLayerNormalization(x, skip, gamma, beta, bias) and its RMS kin (x, skip, gamma, bias)
bool expand_skip_norm(Graph& graph, const Node& node) {
  const bool is_rms = node.is("SkipSimplifiedLayerNormalization", kMicrosoft);
  if (!is_rms && !node.is("SkipLayerNormalization", kMicrosoft)) return false;
  const Shape shape = shape_of(graph, node.inputs[0]);
  ValueId sum = node.inputs[0];
  const ValueId bias = input_of(node, is_rms ? 3 : 4);
  if (bias != kNoValue) {
    sum = emit(graph, onnx_node("Add", node.name + "/bias", {sum, bias}), shape);
  }
  Node add = onnx_node("Add", node.name + "/sum", {sum, node.inputs[1]});
  const ValueId wanted = node.outputs.size() > 3 ? node.outputs[3] : kNoValue;
  if (wanted != kNoValue) {
    replace(graph, wanted, std::move(add));
    sum = wanted;
  } else {
    sum = emit(graph, std::move(add), shape);
  }
  std::vector<ValueId> inputs = {sum, node.inputs[2]};
  if (!is_rms && input_of(node, 3) != kNoValue) inputs.push_back(node.inputs[3]);
  const Attributes attributes = {{"axis", int64_t{-1}},
                                 {"epsilon", node.float_or("epsilon", 1e-5f)}};
  replace(graph, node.outputs[0],
          onnx_node(is_rms ? "SimplifiedLayerNormalization" : "LayerNormalization", node.name,
                    inputs, attributes));
  return true;
}

// FusedMatMul: transposes of the last two dimensions, a product, a factor
bool expand_matmul(Graph& graph, const Node& node) {
  if (!node.is("FusedMatMul", kMicrosoft)) return false;
  if (node.int_or("transBatchA", 0) != 0 || node.int_or("transBatchB", 0) != 0) return false;
  const auto turned = [&](ValueId x, const char* attribute) {
    const size_t rank = shape_of(graph, x).size();
    if (node.int_or(attribute, 0) == 0 || rank < 2) return x;
    std::vector<int64_t> perm(rank);
    for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(i);
    std::swap(perm[rank - 1], perm[rank - 2]);
    return emit_transpose(graph, x, perm, node.name + "/" + attribute);
  };
  const ValueId a = turned(node.inputs[0], "transA"), b = turned(node.inputs[1], "transB");
  const float alpha = node.float_or("alpha", 1.0f);
  Node product = onnx_node("MatMul", node.name, {a, b});
  if (alpha == 1.0f) {
    replace(graph, node.outputs[0], std::move(product));
    return true;
  }
  const ValueId y = emit(graph, std::move(product), shape_of(graph, node.outputs[0]));
  replace(graph, node.outputs[0], scaled_by(graph, node.name + "/alpha", y, alpha));
  return true;
}

/// One of the three sums of EmbedLayerNormalization.
ValueId looked_up(Graph& graph, ValueId table, ValueId ids, const std::string& name) {
  Shape shape = shape_of(graph, ids);
  shape.push_back(shape_of(graph, table).back());
  return emit(graph, onnx_node("Gather", name, {table, ids}, {{"axis", int64_t{0}}}), shape);
}

/// How many keys of each row a mask lets count: 0 without one.
void count_keys(Graph& graph, ValueId mask, ValueId output, const std::string& name) {
  if (mask == kNoValue) {
    const Shape rows = shape_of(graph, output);
    const auto zeros = static_cast<size_t>(element_count(rows));
    graph.replace_uses(output, add_ints(graph, name, std::vector<int64_t>(zeros, 0)));
    return;
  }
  const Shape shape = shape_of(graph, mask);
  const ValueId one = add_ints(graph, name + "/one", {1});
  const ValueId counts =
      emit(graph, onnx_node("Equal", name + "/counts", {mask, one}), shape, DType::boolean);
  constexpr int64_t kOnnxInt64 = 7;
  Node cast = onnx_node("Cast", name + "/ones", {counts}, {{"to", kOnnxInt64}});
  const ValueId ones = emit(graph, std::move(cast), shape, DType::i64);
  replace(graph, output, reduce_node(graph, "ReduceSum", name, ones, {1}, false));
}

// EmbedLayerNormalization: ids, segments, words, positions, segment table, gamma, beta, mask,
// position ids
bool expand_embedding(Graph& graph, const Node& node) {
  if (!node.is("EmbedLayerNormalization", kMicrosoft)) return false;
  const Shape shape = shape_of(graph, node.outputs[0]);
  const std::string& name = node.name;
  ValueId sum = looked_up(graph, node.inputs[2], node.inputs[0], name + "/words");
  ValueId positions = node.inputs[3];
  if (input_of(node, 8) != kNoValue) {
    positions = looked_up(graph, positions, node.inputs[8], name + "/positions");
  } else {
    const ConstantPtr table = graph.value(positions).constant;
    if (table == nullptr) return false;
    const auto end = table->f32.begin() + static_cast<ptrdiff_t>(shape[1] * shape[2]);
    positions =
        add_floats(graph, name + "/positions", {shape[1], shape[2]}, {table->f32.begin(), end});
  }
  sum = emit(graph, onnx_node("Add", name + "/with_positions", {sum, positions}), shape);
  if (input_of(node, 1) != kNoValue && input_of(node, 4) != kNoValue) {
    const ValueId segments = looked_up(graph, node.inputs[4], node.inputs[1], name + "/segments");
    sum = emit(graph, onnx_node("Add", name + "/with_segments", {sum, segments}), shape);
  }
  if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) {
    count_keys(graph, input_of(node, 7), node.outputs[1], name + "/mask_index");
  }
  if (node.outputs.size() > 2 && node.outputs[2] != kNoValue) {
    graph.replace_uses(node.outputs[2], sum);
  }
  replace(graph, node.outputs[0],
          onnx_node("LayerNormalization", name, {sum, node.inputs[5], node.inputs[6]},
                    {{"axis", int64_t{-1}}, {"epsilon", node.float_or("epsilon", 1e-12f)}}));
  return true;
}

bool expand_one(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  return expand_gelu(graph, node) || expand_skip_norm(graph, node) || expand_matmul(graph, node) ||
         expand_embedding(graph, node) || expand_attention(graph, report, id) ||
         expand_rotary(graph, id) || expand_einsum(graph, id);
}

}  // namespace

bool expand_contrib(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return expand_one(g, report, id); });
}

}  // namespace heed::passes
