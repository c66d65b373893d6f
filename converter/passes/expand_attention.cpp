#include "converter/passes/expand_attention.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

constexpr float kHidden = -1e9f;  // a score that gets no weight

/// Queries, keys and values as [batch, heads, rows, width], and what is added to the scores.
struct Parts {
  ValueId q, k, v;
  float scale = 0.0f;  // 0: 1 / sqrt(width)
  std::vector<ValueId> masks;
};

/// [batch, rows, heads * width] as [batch, heads, rows, width]; four dimensions are that already.
ValueId split_heads(Graph& graph, ValueId x, int64_t heads, const std::string& name) {
  const Shape s = shape_of(graph, x);
  if (s.size() == 4) return x;
  const ValueId cut = emit_reshape(graph, x, {s[0], s[1], heads, s[2] / heads}, name + "/split");
  return emit_transpose(graph, cut, {0, 2, 1, 3}, name + "/heads");
}

/// Every key-value head once for each of the queries' heads that share it.
ValueId repeat_heads(Graph& graph, ValueId x, int64_t heads, const std::string& name) {
  const Shape s = shape_of(graph, x);
  if (s[1] == heads) return x;
  const Shape wide = {s[0], s[1], heads / s[1], s[2], s[3]};
  ValueId y = emit_reshape(graph, x, {s[0], s[1], 1, s[2], s[3]}, name + "/group");
  y = emit(graph, onnx_node("Expand", name + "/repeat", {y, add_ints(graph, name + "/to", wide)}),
           wide);
  return emit_reshape(graph, y, {s[0], heads, s[2], s[3]}, name + "/repeated");
}

/// softmax(scale * q k^T + masks) v: [batch, heads, rows, width of v].
ValueId attend(Graph& graph, const Parts& parts, const std::string& name) {
  const Shape q = shape_of(graph, parts.q);
  const ValueId k = repeat_heads(graph, parts.k, q[1], name + "/k");
  const ValueId v = repeat_heads(graph, parts.v, q[1], name + "/v");
  const Shape k_shape = shape_of(graph, k);
  const ValueId turned = emit_transpose(graph, k, {0, 1, 3, 2}, name + "/k_turned");
  const Shape shape = {q[0], q[1], q[2], k_shape[2]};
  const float scale =
      parts.scale != 0.0f ? parts.scale : 1.0f / std::sqrt(static_cast<float>(q[3]));
  ValueId scores = emit(graph, onnx_node("MatMul", name + "/scores", {parts.q, turned}), shape);
  const ValueId factor = add_floats(graph, name + "/scale", {}, {scale});
  scores = emit(graph, onnx_node("Mul", name + "/scaled", {scores, factor}), shape);
  for (size_t i = 0; i < parts.masks.size(); ++i) {
    const std::string mask = name + "/masked" + std::to_string(i);
    scores = emit(graph, onnx_node("Add", mask, {scores, parts.masks[i]}), shape);
  }
  Node softmax = onnx_node("Softmax", name + "/softmax", {scores}, {{"axis", int64_t{-1}}});
  const ValueId weights = emit(graph, std::move(softmax), shape);
  return emit(graph, onnx_node("MatMul", name, {weights, v}),
              {q[0], q[1], q[2], shape_of(graph, v)[3]});
}

/// The result as rows [batch, rows, heads * width], or with its heads first.
void finish(Graph& graph, ValueId output, ValueId attended, const std::string& name) {
  const Shape s = shape_of(graph, attended);
  ValueId y = attended;
  if (shape_of(graph, output).size() == 3) {
    y = emit_transpose(graph, y, {0, 2, 1, 3}, name + "/rows");
  }
  const ValueId target = add_ints(graph, name + "/shape", shape_of(graph, output));
  replace(graph, output, onnx_node("Reshape", name + "/joined", {y, target}));
}

/// Hides keys later than query + offset.
ValueId causal_mask(Graph& graph, int64_t queries, int64_t keys, int64_t offset,
                    const std::string& name) {
  std::vector<float> mask;
  for (int64_t t = 0; t < queries; ++t) {
    for (int64_t s = 0; s < keys; ++s) mask.push_back(s <= t + offset ? 0.0f : kHidden);
  }
  return add_floats(graph, name + "/causal", {queries, keys}, std::move(mask));
}

/// Zeros where the condition holds, `hidden` elsewhere.
ValueId mask_where(Graph& graph, ValueId condition, float hidden, const std::string& name) {
  const Shape shape = shape_of(graph, condition);
  const ValueId kept = add_floats(graph, name + "/kept", {}, {0.0f});
  const ValueId gone = add_floats(graph, name + "/hidden", {}, {hidden});
  return emit(graph, onnx_node("Where", name, {condition, kept, gone}), shape);
}

/// com.microsoft's masks: [B] keys that count, [B,S] or [B,T,S] with 0 for hidden.
ValueId padding_mask(Graph& graph, ValueId mask, int64_t keys, float hidden,
                     const std::string& name) {
  const Shape s = shape_of(graph, mask);
  ValueId shown;
  if (s.size() == 1) {
    std::vector<int64_t> places;
    for (int64_t i = 0; i < keys; ++i) places.push_back(i);
    const ValueId place = add_ints(graph, name + "/places", std::move(places));
    const ValueId count = emit_reshape(graph, mask, {s[0], 1}, name + "/count");
    shown = emit(graph, onnx_node("Less", name + "/shown", {place, count}), {s[0], keys},
                 DType::boolean);
  } else {
    constexpr int64_t kOnnxBool = 9;
    shown = emit(graph, onnx_node("Cast", name + "/shown", {mask}, {{"to", kOnnxBool}}), s,
                 DType::boolean);
  }
  const ValueId added = mask_where(graph, shown, hidden, name);
  const int64_t rows = s.size() == 3 ? s[1] : 1;
  return emit_reshape(graph, added, {s[0], 1, rows, keys}, name + "/aligned");
}

bool expand_onnx(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Attention")) return false;
  if (node.float_or("softcap", 0.0f) != 0.0f) {
    report.missed(id, "Attention '" + node.name + "' stays general: it caps its scores");
    return false;
  }
  const int64_t heads = node.int_or("q_num_heads", 0);
  const std::string& name = node.name;
  Parts parts;
  parts.q = split_heads(graph, node.inputs[0], heads, name + "/q");
  parts.k = split_heads(graph, node.inputs[1], node.int_or("kv_num_heads", heads), name + "/k");
  parts.v = split_heads(graph, node.inputs[2], node.int_or("kv_num_heads", heads), name + "/v");
  parts.scale = node.float_or("scale", 0.0f);
  const int64_t queries = shape_of(graph, parts.q)[2], keys = shape_of(graph, parts.k)[2];
  if (const ValueId mask = input_of(node, 3); mask != kNoValue) {
    const bool is_condition = graph.value(mask).dtype == DType::boolean;
    parts.masks.push_back(is_condition ? mask_where(graph, mask, kHidden, name + "/mask") : mask);
  }
  if (node.int_or("is_causal", 0) != 0) {
    parts.masks.push_back(causal_mask(graph, queries, keys, 0, name));
  }
  finish(graph, node.outputs[0], attend(graph, parts, name), name);
  return true;
}

/// What both of com.microsoft's ops have: masks and scale.
void read_common(Graph& graph, const Node& node, size_t padding, size_t bias, Parts& parts) {
  const int64_t queries = shape_of(graph, parts.q)[2], keys = shape_of(graph, parts.k)[2];
  parts.scale = node.float_or("scale", 0.0f);
  if (const ValueId mask = input_of(node, padding); mask != kNoValue) {
    const float hidden = node.float_or("mask_filter_value", -10000.0f);
    parts.masks.push_back(padding_mask(graph, mask, keys, hidden, node.name + "/padding"));
  }
  if (const ValueId added = input_of(node, bias); added != kNoValue) parts.masks.push_back(added);
  if (node.int_or("unidirectional", 0) != 0) {
    parts.masks.push_back(causal_mask(graph, queries, keys, keys - queries, node.name));
  }
}

bool expand_merged(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Attention", kMicrosoft)) return false;
  const std::string& name = node.name;
  Shape shape = shape_of(graph, node.inputs[0]);
  const int64_t heads = node.int_or("num_heads", 1), all = shape_of(graph, node.inputs[1])[1];
  const std::vector<int64_t> sizes = node.ints_or("qkv_hidden_sizes", {all / 3, all / 3, all / 3});
  shape[2] = all;
  ValueId x =
      emit(graph, onnx_node("MatMul", name + "/qkv", {node.inputs[0], node.inputs[1]}), shape);
  if (input_of(node, 2) != kNoValue) {
    x = emit(graph, onnx_node("Add", name + "/qkv_bias", {x, node.inputs[2]}), shape);
  }
  const auto part = [&](int64_t start, int64_t size, const char* which) {
    const ValueId columns = emit_slice(graph, x, 2, start, size, name + which);
    return split_heads(graph, columns, heads, name + which);
  };
  Parts parts;
  parts.q = part(0, sizes[0], "/q");
  parts.k = part(sizes[0], sizes[1], "/k");
  parts.v = part(sizes[0] + sizes[1], sizes[2], "/v");
  read_common(graph, node, 3, 5, parts);
  finish(graph, node.outputs[0], attend(graph, parts, name), name);
  return true;
}

/// Part `index` of a packed [B, rows, heads, parts, width] as [B, rows, heads * width].
ValueId unpack(Graph& graph, ValueId packed, int64_t index, const std::string& name) {
  const Shape s = shape_of(graph, packed);
  const ValueId part = emit_slice(graph, packed, 3, index, 1, name);
  return emit_reshape(graph, part, {s[0], s[1], s[2] * s[4]}, name + "/rows");
}

bool expand_multi_head(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("MultiHeadAttention", kMicrosoft)) return false;
  const std::string& name = node.name;
  const int64_t heads = node.int_or("num_heads", 1);
  ValueId operand[3] = {node.inputs[0], input_of(node, 1), input_of(node, 2)};
  if (shape_of(graph, operand[0]).size() == 5) {
    const ValueId packed = operand[0];
    for (int64_t i = 0; i < 3; ++i) {
      operand[i] = unpack(graph, packed, i, name + "/part" + std::to_string(i));
    }
  } else if (shape_of(graph, operand[1]).size() == 5) {
    const ValueId packed = operand[1];
    operand[1] = unpack(graph, packed, 0, name + "/part1");
    operand[2] = unpack(graph, packed, 1, name + "/part2");
  }
  int64_t column = 0;
  for (size_t i = 0; i < 3; ++i) {
    const Shape s = shape_of(graph, operand[i]);
    const bool heads_first = s.size() == 4;
    const int64_t width = heads_first ? s[1] * s[3] : s[2];
    if (input_of(node, 3) != kNoValue) {
      const std::string part = name + "/bias" + std::to_string(i);
      ValueId bias = emit_slice(graph, node.inputs[3], 0, column, width, part);
      if (heads_first) bias = emit_reshape(graph, bias, {1, s[1], 1, s[3]}, part + "/heads");
      operand[i] = emit(graph, onnx_node("Add", part + "/add", {operand[i], bias}), s);
    }
    operand[i] = split_heads(graph, operand[i], heads, name + "/operand" + std::to_string(i));
    column += width;
  }
  Parts parts{operand[0], operand[1], operand[2], 0.0f, {}};
  read_common(graph, node, 4, 5, parts);
  finish(graph, node.outputs[0], attend(graph, parts, name), name);
  return true;
}

}  // namespace

bool expand_attention(graph::Graph& graph, PassReport& report, graph::NodeId id) {
  return expand_onnx(graph, report, id) || expand_merged(graph, id) || expand_multi_head(graph, id);
}

}  // namespace heed::passes
