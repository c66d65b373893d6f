// Attention: one op of the engine on int8, or where it is kept in float32 the ops it is made of.

#include <cstddef>
#include <memory>

#include "converter/graph/fused_ops.h"
#include "converter/lowering.h"
#include "engine/nodes/few_queries.h"

namespace heed {
namespace {

using graph::Node;
using graph::ValueId;
using graph::kFusedDomain;
using graph::kNoValue;

uint32_t u32(int64_t value) { return static_cast<uint32_t>(value); }

/// The sizes of an attention node, from its attributes and operands.
struct AttentionSizes {
  uint32_t batch, queries, keys, heads, kv_heads, head_width, value_width;
};

AttentionSizes sizes_of(const Node& node, const graph::Shape& q, const graph::Shape& k) {
  AttentionSizes s{};
  s.queries = u32(q[q.size() - 2]);
  s.keys = u32(k[k.size() - 2]);
  s.batch = u32(element_count(to_dims(q)) / (q.back() * q[q.size() - 2]));
  s.heads = u32(node.int_or("heads", 1));
  s.kv_heads = u32(node.int_or("kv_heads", s.heads));
  s.head_width = u32(node.int_or("head_width", 0));
  s.value_width = u32(node.int_or("value_width", s.head_width));
  return s;
}

bool has_length(const Node& node) {
  return node.inputs.size() > 4 && node.inputs[4] != kNoValue;
}

}  // namespace

/// The mask as [1 or B, 1 or H, 1 or T, S].
int32_t Lowering::attention_mask(const Node& node, const Dims& scores) {
  if (node.inputs.size() < 4 || node.inputs[3] == kNoValue) return -1;
  const ValueId mask = node.inputs[3];
  Dims dims = to_dims(shape(mask));
  while (dims.size() < 4) dims.insert(dims.begin(), 1);
  const int32_t tensor = reshaped(mask, dims);
  if (dims[3] == scores[3]) return tensor;
  dims[3] = scores[3];
  const int32_t wide = scratch(node, "mask", DataType::f32, dims);
  emit(node.name + ":mask", fb::ExpandOptionsT{}, {tensor}, {wide});
  return wide;
}

void Lowering::lower_attention(const Chain& chain) {
  emit_attention(graph_.node(chain.core), epilogue_of(chain), chain_outputs(chain));
}

void Lowering::emit_attention(const Node& node, fb::EpilogueT epilogue,
                              std::vector<int32_t> outputs) {
  const AttentionSizes sizes = sizes_of(node, shape(node.inputs[0]), shape(node.inputs[1]));
  fb::AttentionOptionsT options;
  options.batch = sizes.batch;
  options.queries = sizes.queries;
  options.keys = sizes.keys;
  options.heads = sizes.heads;
  options.kv_heads = sizes.kv_heads;
  options.head_width = sizes.head_width;
  options.value_width = sizes.value_width;
  options.scale = node.float_or("scale", 1.0f);
  options.causal = node.int_or("causal", 0) != 0;
  options.window = u32(node.int_or("window", 0));
  options.q_column = u32(node.int_or("q_column", 0));
  options.k_column = u32(node.int_or("k_column", 0));
  options.v_column = u32(node.int_or("v_column", 0));
  options.first_query = static_cast<int32_t>(node.int_or("first_query", -1));
  options.epilogue = std::make_unique<fb::EpilogueT>(std::move(epilogue));
  const int32_t mask =
      attention_mask(node, {options.batch, options.heads, options.queries, options.keys});
  std::vector<int32_t> inputs = {plain(node.inputs[0]), plain(node.inputs[1]),
                                 plain(node.inputs[2]), mask};
  if (has_length(node)) inputs.push_back(plain(node.inputs[4]));
  emit(node.name, std::move(options), std::move(inputs), std::move(outputs));
}

/// One operand of float attention as [B, kv_heads, heads / kv_heads or 1, rows, width], or with
/// the last two swapped: cut out of its rows and turned.
int32_t Lowering::attention_heads(const Node& node, ValueId value, const HeadsCut& cut) {
  const Dims in = to_dims(shape(value));
  const uint32_t rows = in[in.size() - 2], all = in.back();
  int32_t tensor = reshaped(value, {cut.batch, rows, all});
  const uint32_t taken = cut.kv_heads * cut.share * cut.width;
  if (taken != all) {
    const int32_t part = scratch(node, "part", DataType::f32, {cut.batch, rows, taken});
    fb::SliceOptionsT slice;
    slice.starts = {0, 0, static_cast<int32_t>(cut.column)};
    slice.steps = {1, 1, 1};
    emit(node.name, std::move(slice), {tensor}, {part});
    tensor = part;
  }
  const Dims split = {cut.batch, rows, cut.kv_heads, cut.share, cut.width};
  const std::vector<uint32_t> order = cut.swap ? std::vector<uint32_t>{0, 2, 3, 4, 1}
                                               : std::vector<uint32_t>{0, 2, 3, 1, 4};
  return transposed(node, view(tensor, 0, split), order);
}

/// Zeros where a query sees a key, a large negative number where causality or the window hide it.
std::vector<float> Lowering::hidden_keys(const Node& node, uint32_t queries, uint32_t keys) {
  const bool causal = node.int_or("causal", 0) != 0;
  const int64_t window = node.int_or("window", 0);
  std::vector<float> mask;
  for (int64_t t = 0; t < queries; ++t) {
    for (int64_t s = 0; s < keys; ++s) {
      const int64_t last = causal ? t + keys - queries : keys - 1;
      const bool seen = s <= last && (window == 0 || s > last - window);
      mask.push_back(seen ? 0.0f : -1e9f);
    }
  }
  return mask;
}

/// What hides the keys that are not there yet, or no longer in the window, [T,S]: zeros, or large
/// negative numbers where key s lies beyond the last that query t sees, or a window before it.
int32_t Lowering::absent_keys(const Node& node, const Dims& scores) {
  const uint32_t queries = scores[2], keys = scores[3];
  const bool causal = node.int_or("causal", 0) != 0;
  const int64_t window = node.int_or("window", 0);
  std::vector<float> first_without;  // the length below which t does not see s, less one
  for (uint32_t t = 0; t < queries; ++t)
    for (uint32_t s = 0; s < keys; ++s)
      first_without.push_back(static_cast<float>(s + (causal ? queries - 1 - t : 0)));
  const auto step = [&](const Dims& dims) { return scratch(node, "absent", DataType::f32, dims); };
  const int32_t length = step({1});
  emit(node.name, fb::CastOptionsT{}, {plain(node.inputs[4])}, {length});
  const Dims plane = {queries, keys};
  const int32_t limit = float_constant(node.name + ":keys", plane, first_without);
  const auto constant = [&](float value) {
    return float_constant(node.name + ":number", {}, {value});
  };
  // ahead = length - 1 - limit: keys between s and the last that t sees.
  const int32_t last = binary(node, fb::BinaryKind::sub, length, constant(1), step({1}));
  const int32_t ahead = binary(node, fb::BinaryKind::sub, last, limit, step(plane));
  // min(0, ahead * 1e9), and of a window min(.., (window - 1 - ahead) * 1e9)
  const auto hide = [&](int32_t below_zero, int32_t bound) {
    const int32_t low = binary(node, fb::BinaryKind::mul, below_zero, constant(1e9f), step(plane));
    return binary(node, fb::BinaryKind::min, low, bound, step(plane));
  };
  const int32_t there = hide(ahead, constant(0));
  if (window == 0) return there;
  const int32_t widest = constant(static_cast<float>(window - 1));
  return hide(binary(node, fb::BinaryKind::sub, widest, ahead, step(plane)), there);
}

/// softmax(scale * q k^T + masks) v by matrix products in float32.
void Lowering::lower_float_attention(const Node& node) {
  const AttentionSizes s = sizes_of(node, shape(node.inputs[0]), shape(node.inputs[1]));
  const uint32_t share = s.heads / s.kv_heads;
  if (has_length(node) && int64_t{s.queries} * share <= kFewQueries) {
    // The engine attends with so few queries in float32 itself.
    emit_attention(node, {}, {make_plain(node.outputs[0]), -1, -1});
    return;
  }
  const auto column = [&](const char* key) { return u32(node.int_or(key, 0)); };
  const HeadsCut cut_q = {s.batch, s.kv_heads, share, s.head_width, column("q_column"), false};
  const HeadsCut cut_k = {s.batch, s.kv_heads, 1, s.head_width, column("k_column"), true};
  const HeadsCut cut_v = {s.batch, s.kv_heads, 1, s.value_width, column("v_column"), false};
  const int32_t q = attention_heads(node, node.inputs[0], cut_q);
  const int32_t k = attention_heads(node, node.inputs[1], cut_k);
  const int32_t v = attention_heads(node, node.inputs[2], cut_v);
  const Dims grouped = {s.batch, s.kv_heads, share, s.queries, s.keys};
  const Dims scores_dims = {s.batch, s.heads, s.queries, s.keys};
  const auto step = [&](const char* what) { return scratch(node, what, DataType::f32, grouped); };
  int32_t scores = step("scores");
  emit(node.name, fb::MatmulOptionsT{}, {q, k}, {scores});
  scores = binary(node, fb::BinaryKind::mul, scores,
                  float_constant(node.name + ":scale", {}, {node.float_or("scale", 1.0f)}),
                  step("scaled"));
  const auto add_mask = [&](int32_t mask) {
    const int32_t masked = scratch(node, "masked", DataType::f32, scores_dims);
    binary(node, fb::BinaryKind::add, view(scores, 0, scores_dims), mask, masked);
    scores = masked;
  };
  const int32_t mask = attention_mask(node, scores_dims);
  if (mask >= 0) add_mask(mask);
  if (has_length(node)) {
    add_mask(absent_keys(node, scores_dims));
  } else if (node.int_or("causal", 0) != 0 || node.int_or("window", 0) != 0) {
    add_mask(float_constant(node.name + ":hidden", {s.queries, s.keys},
                            hidden_keys(node, s.queries, s.keys)));
  }
  const int32_t shares = scratch(node, "shares", DataType::f32, file_.tensor(scores).shape);
  emit(node.name, fb::SoftmaxOptionsT{}, {scores}, {shares});
  const int32_t mixed = scratch(node, "mixed", DataType::f32,
                                {s.batch, s.kv_heads, share, s.queries, s.value_width});
  emit(node.name, fb::MatmulOptionsT{}, {view(shares, 0, grouped), v}, {mixed});
  const int32_t out = make_plain(node.outputs[0]);
  transposed(node, mixed, {0, 3, 1, 2, 4},
             view(out, 0, {s.batch, s.queries, s.kv_heads, share, s.value_width}));
}

}  // namespace heed
