// The attention ops of ONNX (opset 23 and later) and of com.microsoft, without key-value caches.

#include <algorithm>
#include <cmath>

#include "converter/graph/rules/element_types.h"
#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// q, k or v as [B, rows, heads * width] or [B, heads, rows, width].
struct HeadLayout {
  int64_t batch, rows, heads, width;
  bool heads_first;
};

HeadLayout head_layout(const OpCall& call, size_t operand, int64_t heads) {
  const Shape& shape = call.shape(operand);
  call.need_dtype(operand, DType::f32);
  if (shape.size() == 4) return {shape[0], shape[2], shape[1], shape[3], true};
  call.need_rank(operand, 3);
  call.need(heads > 0 && shape[2] % heads == 0, "the width does not divide by the heads");
  return {shape[0], shape[1], heads, shape[2] / heads, false};
}

template <class T>
HeadView<T> head_view(T* data, const HeadLayout& s) {
  const int64_t row = s.heads_first ? s.width : s.heads * s.width;
  const int64_t head = s.heads_first ? s.rows * s.width : s.width;
  return {data, s.rows * s.heads * s.width, row, head};
}

// -- "" Attention: Q, K, V, attn_mask, past_key, past_value -> Y

struct AttentionLayout {
  HeadLayout q, k, v;
};

AttentionLayout attention_layout(const OpCall& call) {
  const int64_t heads = call.node.int_or("q_num_heads", 0);
  const int64_t kv_heads = call.node.int_or("kv_num_heads", heads);
  AttentionLayout s{head_layout(call, 0, heads), head_layout(call, 1, kv_heads),
                    head_layout(call, 2, kv_heads)};
  call.need(s.k.batch == s.q.batch && s.v.batch == s.q.batch && s.k.rows == s.v.rows &&
                s.k.heads == s.v.heads && s.k.width == s.q.width && s.k.heads > 0 &&
                s.q.heads % s.k.heads == 0,
            "q, k and v do not fit each other");
  return s;
}

void infer_attention(OpCall& call) {
  const AttentionLayout s = attention_layout(call);
  call.need(!call.has(4) && !call.has(5) && !call.has(6), "key-value caches are not supported");
  call.need(!call.wants(1) && !call.wants(2) && !call.wants(3),
            "only the first output is supported");
  call.need(
      call.node.int_or("left_window_size", -1) < 0 && call.node.int_or("right_window_size", -1) < 0,
      "sliding windows are not supported");
  if (call.has(3)) {
    const Shape scores = {s.q.batch, s.q.heads, s.q.rows, s.k.rows};
    call.need(broadcast_shapes(call, call.shape(3), scores) == scores,
              "the mask does not fit the scores");
  }
  if (s.q.heads_first) {
    call.result(0, DType::f32, {s.q.batch, s.q.heads, s.q.rows, s.v.width});
  } else {
    call.result(0, DType::f32, {s.q.batch, s.q.rows, s.q.heads * s.v.width});
  }
}

/// A mask as floats to add: true keeps.
std::vector<float> additive_mask(const OpCall& call, size_t operand) {
  if (call.in(operand).dtype == DType::f32) return call.f32(operand);
  std::vector<float> added;
  for (int64_t keep : call.i64(operand)) added.push_back(keep != 0 ? 0.0f : kMinusInfinity);
  return added;
}

void evaluate_attention(OpCall& call) {
  const AttentionLayout s = attention_layout(call);
  const HeadLayout y = {s.q.batch, s.q.rows, s.q.heads, s.v.width, s.q.heads_first};
  AttentionTask task{head_view(call.f32(0).data(), s.q),
                     head_view(call.f32(1).data(), s.k),
                     head_view(call.f32(2).data(), s.v),
                     head_view(call.y().data(), y),
                     s.q.batch,
                     s.q.rows,
                     s.k.rows,
                     s.q.heads,
                     s.k.heads,
                     s.q.width,
                     s.v.width,
                     0};
  task.scale = call.node.float_or("scale", 1.0f / std::sqrt(static_cast<float>(s.q.width)));
  std::vector<float> mask;
  if (call.has(3)) {
    mask = additive_mask(call, 3);
    task.mask = mask.data();
    const std::vector<int64_t> steps =
        broadcast_strides(call.shape(3), {s.q.batch, s.q.heads, s.q.rows, s.k.rows});
    std::copy(steps.begin(), steps.end(), task.mask_step);
  }
  task.causal = call.node.int_or("is_causal", 0) != 0;  // aligned at the first query and key
  task.softcap = call.node.float_or("softcap", 0.0f);
  attend(task);
}

// -- com.microsoft Attention: input [B,T,K], weight [K, q + k + v], bias, mask -> [B,T,v]
// -- com.microsoft MultiHeadAttention: query, key, value, bias, mask, attention_bias -> [B,T,v]

/// q, k and v as rows of their own, projected and with the bias added.
struct Projected {
  int64_t batch, queries, keys, heads, width, value_width;  // widths of one head
  std::vector<float> q, k, v;
};

/// key_padding_mask or mask_index: i64 [B] (keys that count), [B,S] or [B,T,S] (0 hides).
std::vector<float> padding_mask(const OpCall& call, size_t operand, const Projected& p) {
  const float hidden = call.node.float_or("mask_filter_value", -10000.0f);
  std::vector<float> added(static_cast<size_t>(p.batch * p.queries * p.keys), 0.0f);
  const std::vector<int64_t>& mask = call.i64(operand);
  const size_t rank = call.shape(operand).size();
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t t = 0; t < p.queries; ++t) {
      for (int64_t s = 0; s < p.keys; ++s) {
        const int64_t row = rank == 3 ? b * p.queries + t : b;
        const bool shown = rank == 1 ? s < mask[static_cast<size_t>(b)]
                                     : mask[static_cast<size_t>(row * p.keys + s)] != 0;
        if (!shown) added[static_cast<size_t>((b * p.queries + t) * p.keys + s)] = hidden;
      }
    }
  }
  return added;
}

void check_padding_mask(const OpCall& call, size_t operand, const Projected& p) {
  if (!call.has(operand)) return;
  call.need_dtype(operand, DType::i64);
  const Shape& mask = call.shape(operand);
  call.need(mask == Shape{p.batch} || mask == Shape{p.batch, p.keys} ||
                mask == Shape{p.batch, p.queries, p.keys},
            "the mask must be [batch], [batch, keys] or [batch, queries, keys]");
}

struct MaskOperands {
  size_t padding, bias;
};

void attend_projected(OpCall& call, const Projected& p, const MaskOperands& masks) {
  const HeadLayout q = {p.batch, p.queries, p.heads, p.width, false};
  const HeadLayout k = {p.batch, p.keys, p.heads, p.width, false};
  const HeadLayout v = {p.batch, p.keys, p.heads, p.value_width, false};
  const HeadLayout y = {p.batch, p.queries, p.heads, p.value_width, false};
  AttentionTask task{head_view(p.q.data(), q),
                     head_view(p.k.data(), k),
                     head_view(p.v.data(), v),
                     head_view(call.y().data(), y),
                     p.batch,
                     p.queries,
                     p.keys,
                     p.heads,
                     p.heads,
                     p.width,
                     p.value_width,
                     0};
  task.scale = call.node.float_or("scale", 0.0f);
  if (task.scale == 0.0f) task.scale = 1.0f / std::sqrt(static_cast<float>(p.width));
  const Shape scores = {p.batch, p.heads, p.queries, p.keys};
  std::vector<float> mask;
  Shape mask_shape = {p.batch, 1, p.queries, p.keys};
  if (call.has(masks.padding)) mask = padding_mask(call, masks.padding, p);
  if (call.has(masks.bias)) {
    std::vector<float> both(static_cast<size_t>(element_count(scores)), 0.0f);
    if (mask.empty()) mask.assign(static_cast<size_t>(p.batch * p.queries * p.keys), 0.0f);
    broadcast_binary(mask.data(), mask_shape, call.f32(masks.bias).data(), call.shape(masks.bias),
                     scores, both.data(), [](float a, float b) { return a + b; });
    mask = std::move(both);
    mask_shape = scores;
  }
  if (!mask.empty()) {
    task.mask = mask.data();
    const std::vector<int64_t> steps = broadcast_strides(mask_shape, scores);
    std::copy(steps.begin(), steps.end(), task.mask_step);
  }
  task.causal = call.node.int_or("unidirectional", 0) != 0;
  task.causal_offset = p.keys - p.queries;
  attend(task);
}

struct MergedWidths {
  int64_t q, k, v;
};

MergedWidths merged_widths(const OpCall& call) {
  call.need_rank(0, 3);
  call.need_rank(1, 2);
  const int64_t all = call.dim(1, 1);
  const std::vector<int64_t> sizes =
      call.node.ints_or("qkv_hidden_sizes", {all / 3, all / 3, all / 3});
  const int64_t heads = call.node.int_or("num_heads", 0);
  call.need(sizes.size() == 3 && sizes[0] == sizes[1] && sizes[0] + sizes[1] + sizes[2] == all,
            "the weight's columns are not q, k and v");
  call.need(heads > 0 && sizes[0] % heads == 0 && sizes[2] % heads == 0,
            "the widths do not divide by the heads");
  call.need(call.dim(0, 2) == call.dim(1, 0), "the weight's rows do not fit the input");
  return {sizes[0], sizes[1], sizes[2]};
}

Projected merged_sizes(const OpCall& call) {
  const MergedWidths w = merged_widths(call);
  const int64_t heads = call.node.int_or("num_heads", 1);
  return {
      call.dim(0, 0), call.dim(0, 1), call.dim(0, 1), heads, w.q / heads, w.v / heads, {}, {}, {}};
}

void infer_merged_attention(OpCall& call) {
  const Projected p = merged_sizes(call);
  call.need(!call.has(4) && !call.has(6) && !call.wants(1), "key-value caches are not supported");
  call.need(call.node.int_or("do_rotary", 0) == 0, "do_rotary is not supported");
  call.need(!call.has(2) || call.elements(2) == call.dim(1, 1), "the bias does not fit the weight");
  check_padding_mask(call, 3, p);
  call.result(0, DType::f32, {p.batch, p.queries, p.heads * p.value_width});
}

void evaluate_merged_attention(OpCall& call) {
  const MergedWidths w = merged_widths(call);
  Projected p = merged_sizes(call);
  const int64_t k = call.dim(0, 2), all = call.dim(1, 1), rows = p.batch * p.queries;
  int64_t column = 0;
  auto project = [&](int64_t width) {
    std::vector<float> y(static_cast<size_t>(rows * width));
    multiply(
        {call.f32(0).data(), k, call.f32(1).data() + column, all, y.data(), width, rows, k, width});
    for (int64_t i = 0; i < rows * width && call.has(2); ++i) {
      y[static_cast<size_t>(i)] += call.f32(2)[static_cast<size_t>(column + i % width)];
    }
    column += width;
    return y;
  };
  p.q = project(w.q);
  p.k = project(w.k);
  p.v = project(w.v);
  attend_projected(call, p, {3, 5});
}

/// [B,S,H,D] read from [B,H,S,D] or, packed, every `parts`-th of [B,S,H,parts,D].
std::vector<float> unpacked(const OpCall& call, size_t operand, int64_t parts, int64_t part) {
  const Shape& s = call.shape(operand);
  const float* x = call.f32(operand).data();
  std::vector<float> y(static_cast<size_t>(element_count(s) / parts));
  if (s.size() == 5) {
    const int64_t d = s[4];
    copy_strided(x + part * d, {s[0], s[1], s[2], d},
                 {s[1] * s[2] * parts * d, s[2] * parts * d, parts * d, 1}, y.data());
  } else if (s.size() == 4) {
    copy_strided(x, {s[0], s[2], s[1], s[3]}, {s[1] * s[2] * s[3], s[3], s[2] * s[3], 1}, y.data());
  } else {
    y = call.f32(operand);
  }
  return y;
}

Projected multi_head_sizes(const OpCall& call) {
  const int64_t heads = call.node.int_or("num_heads", 0);
  const Shape& q = call.shape(0);
  call.need(heads > 0, "num_heads is missing");
  if (q.size() == 5) {  // q, k and v packed
    call.need(!call.has(1) && !call.has(2) && q[2] == heads && q[3] == 3,
              "a packed query must be [batch, rows, heads, 3, width]");
    return {q[0], q[1], q[1], heads, q[4], q[4], {}, {}, {}};
  }
  call.need_rank(0, 3);
  call.need(q[2] % heads == 0, "the width does not divide by the heads");
  const int64_t width = q[2] / heads;
  const Shape& k = call.shape(1);
  if (k.size() == 5) {  // k and v packed
    call.need(!call.has(2) && k[0] == q[0] && k[2] == heads && k[3] == 2 && k[4] == width,
              "a packed key must be [batch, rows, heads, 2, width]");
    return {q[0], q[1], k[1], heads, width, width, {}, {}, {}};
  }
  const HeadLayout key = head_layout(call, 1, heads), value = head_layout(call, 2, heads);
  call.need(key.batch == q[0] && value.batch == q[0] && key.rows == value.rows &&
                key.width == width && key.heads == heads && value.heads == heads,
            "query, key and value do not fit each other");
  return {q[0], q[1], key.rows, heads, width, value.width, {}, {}, {}};
}

void infer_multi_head(OpCall& call) {
  const Projected p = multi_head_sizes(call);
  call.need(!call.has(6) && !call.has(7) && !call.wants(1) && !call.wants(2),
            "key-value caches are not supported");
  call.need(!call.has(3) || call.elements(3) == p.heads * (2 * p.width + p.value_width),
            "the bias does not fit query, key and value");
  check_padding_mask(call, 4, p);
  call.result(0, DType::f32, {p.batch, p.queries, p.heads * p.value_width});
}

void evaluate_multi_head(OpCall& call) {
  Projected p = multi_head_sizes(call);
  if (call.shape(0).size() == 5) {
    p.q = unpacked(call, 0, 3, 0);
    p.k = unpacked(call, 0, 3, 1);
    p.v = unpacked(call, 0, 3, 2);
  } else {
    const bool packed = call.shape(1).size() == 5;
    p.q = call.f32(0);
    p.k = unpacked(call, 1, packed ? 2 : 1, 0);
    p.v = packed ? unpacked(call, 1, 2, 1) : unpacked(call, 2, 1, 0);
  }
  int64_t column = 0;
  auto add_bias = [&](std::vector<float>& x, int64_t width) {
    for (size_t i = 0; i < x.size() && call.has(3); ++i) {
      x[i] += call.f32(3)[static_cast<size_t>(column) + i % static_cast<size_t>(width)];
    }
    column += width;
  };
  add_bias(p.q, p.heads * p.width);
  add_bias(p.k, p.heads * p.width);
  add_bias(p.v, p.heads * p.value_width);
  attend_projected(call, p, {4, 5});
}

// -- RotaryEmbedding: the first `rotated` values of every head turned by the angles of its position

struct RotaryOperands {
  size_t positions, cosines, sines;
};
constexpr RotaryOperands kOnnxRotary = {3, 1, 2}, kContribRotary = {1, 2, 3};

struct RotaryShape {
  HeadLayout x;
  int64_t rotated;
};

RotaryShape rotary_shape(const OpCall& call, const RotaryOperands& at) {
  call.need_dtype(0, DType::f32);
  const int64_t half = call.shape(at.cosines).empty() ? 0 : call.shape(at.cosines).back();
  const int64_t given = call.node.int_or("rotary_embedding_dim", 0);
  int64_t heads = call.node.int_or("num_heads", 0);
  if (heads == 0 && call.rank(0) == 3 && half > 0) heads = call.dim(0, 2) / (2 * half);
  RotaryShape s{head_layout(call, 0, heads), 0};
  s.rotated = given == 0 ? s.x.width : given;
  call.need(s.rotated == 2 * half && s.rotated <= s.x.width,
            "the table of cosines does not fit the heads' width");
  call.need(call.shape(at.sines) == call.shape(at.cosines), "cosines and sines differ in shape");
  return s;
}

void infer_rotary(OpCall& call, const RotaryOperands& at) {
  const RotaryShape s = rotary_shape(call, at);
  if (call.has(at.positions)) {
    call.need_rank(at.cosines, 2);
    const int64_t count = call.elements(at.positions);
    call.need(count == 1 || count == s.x.batch * s.x.rows, "positions do not fit the rows");
  } else {
    call.need(call.elements(at.cosines) == s.x.batch * s.x.rows * s.rotated / 2,
              "without positions the tables must have one row per row of the input");
  }
  call.result(0, DType::f32, call.shape(0));
}

void evaluate_rotary(OpCall& call, const RotaryOperands& at) {
  const RotaryShape s = rotary_shape(call, at);
  const bool pairs = call.node.int_or("interleaved", 0) != 0;
  const int64_t half = s.rotated / 2, table_rows = call.elements(at.cosines) / half;
  const HeadView<const float> from = head_view(call.f32(0).data(), s.x);
  const HeadView<float> to = head_view(call.y().data(), s.x);
  std::copy(call.f32(0).begin(), call.f32(0).end(), call.y().begin());
  for (int64_t b = 0; b < s.x.batch; ++b) {
    for (int64_t t = 0; t < s.x.rows; ++t) {
      int64_t position = b * s.x.rows + t;
      if (call.has(at.positions)) {
        const std::vector<int64_t>& given = call.i64(at.positions);
        position = given.size() == 1 ? given[0] + t : given[static_cast<size_t>(position)];
      }
      call.need(position >= 0 && position < table_rows, "a position is outside the table");
      const float* cosine = call.f32(at.cosines).data() + position * half;
      const float* sine = call.f32(at.sines).data() + position * half;
      for (int64_t h = 0; h < s.x.heads; ++h) {
        const float* x = from.data + b * from.batch + t * from.row + h * from.head;
        float* y = to.data + b * to.batch + t * to.row + h * to.head;
        for (int64_t i = 0; i < half; ++i) {
          const int64_t first = pairs ? 2 * i : i, second = pairs ? 2 * i + 1 : i + half;
          y[first] = x[first] * cosine[i] - x[second] * sine[i];
          y[second] = x[second] * cosine[i] + x[first] * sine[i];
        }
      }
    }
  }
}

void infer_onnx_rotary(OpCall& call) { infer_rotary(call, kOnnxRotary); }
void evaluate_onnx_rotary(OpCall& call) { evaluate_rotary(call, kOnnxRotary); }
void infer_contrib_rotary(OpCall& call) { infer_rotary(call, kContribRotary); }
void evaluate_contrib_rotary(OpCall& call) { evaluate_rotary(call, kContribRotary); }

constexpr OpRule kAttentionRules[] = {
    {"", "Attention", infer_attention, evaluate_attention},
    {"", "RotaryEmbedding", infer_onnx_rotary, evaluate_onnx_rotary},
    {"com.microsoft", "Attention", infer_merged_attention, evaluate_merged_attention},
    {"com.microsoft", "MultiHeadAttention", infer_multi_head, evaluate_multi_head},
    {"com.microsoft", "RotaryEmbedding", infer_contrib_rotary, evaluate_contrib_rotary},
};

}  // namespace

std::span<const OpRule> attention_rules() { return kAttentionRules; }

}  // namespace heed::graph
