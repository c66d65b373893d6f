// The fused ops of fused_ops.h, each as its definition there says.

#include <algorithm>
#include <cmath>

#include "converter/graph/fused_ops.h"
#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

int64_t rows_of(const Shape& shape) {
  return shape.empty() || shape.back() == 0 ? 0 : element_count(shape) / shape.back();
}

void check_bias(const OpCall& call, size_t operand, int64_t outputs) {
  if (call.has(operand) && call.shape(operand) != Shape{outputs}) {
    call.fail("the bias must have " + std::to_string(outputs) + " elements");
  }
}

void activate(OpCall& call, std::vector<float>& y) {
  const std::string name = call.node.string_or("activation", "");
  if (!apply_activation(name, y.data(), static_cast<int64_t>(y.size()))) {
    call.fail("unknown activation '" + name + "'");
  }
}

void check_residual(const OpCall& call, size_t operand, const Shape& out) {
  if (call.has(operand) && broadcast_shapes(call, call.shape(operand), out) != out) {
    call.fail("the residual is larger than the output");
  }
}

/// Adds operand 3 to the result.
void add_residual(const OpCall& call, std::vector<float>& y) {
  if (!call.has(3)) return;
  const Shape& out = call.results[0].shape;
  broadcast_binary(y.data(), out, call.f32(3).data(), call.shape(3), out, y.data(),
                   [](float a, float b) { return a + b; });
}

// y [rows, N] = frames of x against the weight's rows, plus bias. A row of K values begins every
// `step` floats.
struct RowsProduct {
  const float* x;
  int64_t step, rows;
  float* y;
};
void multiply_weight(const OpCall& call, const RowsProduct& p) {
  const int64_t outputs = call.dim(1, 0), k = call.dim(1, 1);
  multiply_transposed({p.x, p.step, call.f32(1).data(), k, p.y, outputs, p.rows, k, outputs});
  if (!call.has(2)) return;
  const std::vector<float>& bias = call.f32(2);
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t n = 0; n < outputs; ++n) p.y[row * outputs + n] += bias[static_cast<size_t>(n)];
  }
}

void infer_linear(OpCall& call) {
  call.need_rank(1, 2);
  call.need(call.rank(0) >= 1, "x must have rows");
  Shape out = call.shape(0);
  if (out.back() != call.dim(1, 1)) call.fail("the weight's width is not that of x");
  out.back() = call.dim(1, 0);
  check_bias(call, 2, out.back());
  check_residual(call, 3, out);
  call.result(0, DType::f32, out);
}

void evaluate_linear(OpCall& call) {
  const std::vector<float>& x = call.f32(0);
  std::vector<float>& y = call.y();
  multiply_weight(call, {x.data(), call.shape(0).back(), rows_of(call.shape(0)), y.data()});
  activate(call, y);
  add_residual(call, y);
}

void infer_frames_linear(OpCall& call) {
  call.need_rank(1, 2);
  call.need(call.rank(0) >= 2, "x must be [..,L,C]");
  const int64_t window = call.node.int_or("window", 1), hop = call.node.int_or("hop", 1);
  const int64_t pad = call.node.int_or("pad", 0);
  Shape out = call.shape(0);
  const int64_t length = out[out.size() - 2], width = out.back();
  call.need(window > 0 && hop > 0 && pad >= 0, "window, hop or pad out of range");
  call.need(call.dim(1, 1) == window * width, "the weight's width is not window * C");
  call.need(length + 2 * pad >= window, "the window is longer than x");
  out[out.size() - 2] = (length + 2 * pad - window) / hop + 1;
  out.back() = call.dim(1, 0);
  check_bias(call, 2, out.back());
  check_residual(call, 3, out);
  call.result(0, DType::f32, out);
}

void evaluate_frames_linear(OpCall& call) {
  const std::vector<float>& x = call.f32(0);
  const Shape& shape = call.shape(0);
  const Shape& out = call.results[0].shape;
  const int64_t length = shape[shape.size() - 2], width = shape.back();
  const int64_t pad = call.node.int_or("pad", 0), hop = call.node.int_or("hop", 1);
  const int64_t frames = out[out.size() - 2];
  const int64_t batches = rows_of(shape) / std::max<int64_t>(length, 1);
  std::vector<float> padded(static_cast<size_t>((length + 2 * pad) * width), 0.0f);
  for (int64_t b = 0; b < batches; ++b) {
    std::copy_n(x.data() + b * length * width, length * width, padded.data() + pad * width);
    multiply_weight(
        call, {padded.data(), hop * width, frames, call.y().data() + b * frames * out.back()});
  }
  activate(call, call.y());
  add_residual(call, call.y());
}

void infer_signal_linear(OpCall& call) {
  call.need_rank(0, 2);
  call.need_rank(1, 2);
  const int64_t hop = call.node.int_or("hop", 1), k = call.dim(1, 1), length = call.dim(0, 1);
  call.need(hop > 0 && length >= k, "the frames do not fit the signal");
  check_bias(call, 2, call.dim(1, 0));
  const Shape out = {call.dim(0, 0), (length - k) / hop + 1, call.dim(1, 0)};
  check_residual(call, 3, out);
  call.result(0, DType::f32, out);
}

void evaluate_signal_linear(OpCall& call) {
  const Shape& out = call.results[0].shape;
  for (int64_t b = 0; b < out[0]; ++b) {
    multiply_weight(call, {call.f32(0).data() + b * call.dim(0, 1), call.node.int_or("hop", 1),
                           out[1], call.y().data() + b * out[1] * out[2]});
  }
  activate(call, call.y());
  add_residual(call, call.y());
}

struct AttentionSizes {
  int64_t heads, kv_heads, head_width, value_width, q_column, k_column, v_column;
};

AttentionSizes attention_sizes(const OpCall& call) {
  const Node& node = call.node;
  AttentionSizes sizes{};
  sizes.heads = node.int_or("heads", 1);
  sizes.kv_heads = node.int_or("kv_heads", sizes.heads);
  sizes.head_width = node.int_or("head_width", 0);
  sizes.value_width = node.int_or("value_width", sizes.head_width);
  sizes.q_column = node.int_or("q_column", 0);
  sizes.k_column = node.int_or("k_column", 0);
  sizes.v_column = node.int_or("v_column", 0);
  call.need(sizes.heads > 0 && sizes.kv_heads > 0 && sizes.heads % sizes.kv_heads == 0,
            "heads must be a multiple of kv_heads");
  call.need(sizes.head_width > 0 && sizes.value_width > 0, "heads must have a width");
  return sizes;
}

void infer_attention(OpCall& call) {
  const AttentionSizes s = attention_sizes(call);
  for (size_t i = 0; i < 3; ++i) call.need_rank(i, 3);
  call.need(call.dim(1, 0) == call.dim(0, 0) && call.dim(2, 0) == call.dim(0, 0),
            "q, k and v must have the same batch");
  call.need(call.dim(1, 1) == call.dim(2, 1), "k and v must have as many rows");
  auto fits = [&](size_t i, int64_t column, int64_t width) {
    call.need(column >= 0 && column + width <= call.dim(i, 2), "the heads pass the row's end");
  };
  fits(0, s.q_column, s.heads * s.head_width);
  fits(1, s.k_column, s.kv_heads * s.head_width);
  fits(2, s.v_column, s.kv_heads * s.value_width);
  if (call.has(3)) {
    const Shape scores = {call.dim(0, 0), s.heads, call.dim(0, 1), call.dim(1, 1)};
    call.need(broadcast_shapes(call, call.shape(3), scores) == scores,
              "the mask is larger than the scores");
  }
  if (call.has(4)) {
    call.need_dtype(4, DType::i64);
    call.need(call.elements(4) == 1, "the number of keys must be one integer");
  }
  call.result(0, DType::f32, {call.dim(0, 0), call.dim(0, 1), s.heads * s.value_width});
}

void evaluate_attention(OpCall& call) {
  const AttentionSizes s = attention_sizes(call);
  auto view = [&](size_t i, int64_t column, int64_t width) {
    return HeadView<const float>{call.f32(i).data() + column, call.dim(i, 1) * call.dim(i, 2),
                                 call.dim(i, 2), width};
  };
  const int64_t row = s.heads * s.value_width, queries = call.dim(0, 1);
  const int64_t keys = call.has(4) ? call.i64(4)[0] : call.dim(1, 1);
  call.need(keys >= 1 && keys <= call.dim(1, 1), "there are not so many keys");
  AttentionTask task{view(0, s.q_column, s.head_width),
                     view(1, s.k_column, s.head_width),
                     view(2, s.v_column, s.value_width),
                     {call.y().data(), queries * row, row, s.value_width},
                     call.dim(0, 0),
                     queries,
                     keys,
                     s.heads,
                     s.kv_heads,
                     s.head_width,
                     s.value_width,
                     call.node.float_or("scale", 1.0f)};
  if (call.has(3)) {
    task.mask = call.f32(3).data();
    const std::vector<int64_t> steps =
        broadcast_strides(call.shape(3), {task.batch, s.heads, queries, call.dim(1, 1)});
    std::copy(steps.begin(), steps.end(), task.mask_step);
  }
  task.causal = call.node.int_or("causal", 0) != 0;
  task.causal_offset = keys - queries;
  task.window = call.node.int_or("window", 0);
  attend(task);
}

void infer_norm(OpCall& call) {
  call.need(call.rank(0) >= 1, "x must have rows");
  const Shape width = {call.shape(0).back()};
  call.need(call.shape(1) == width, "gamma must have one element per column");
  call.need(!call.has(2) || call.shape(2) == width, "beta must have one element per column");
  call.result(0, DType::f32, call.shape(0));
}

void evaluate_norm(OpCall& call) {
  const int64_t width = call.shape(0).back();
  const std::string kind = call.node.string_or("kind", "layer");
  if (kind != "layer" && kind != "rms") call.fail("unknown kind '" + kind + "'");
  for (int64_t row = 0; row < rows_of(call.shape(0)); ++row) {
    normalize_row({call.f32(0).data() + row * width, call.f32(1).data(),
                   call.has(2) ? call.f32(2).data() : nullptr, call.y().data() + row * width, width,
                   call.node.float_or("epsilon", 1e-5f), kind == "layer"});
  }
}

void infer_activation(OpCall& call) { call.result(0, DType::f32, call.shape(0)); }

void evaluate_activation(OpCall& call) {
  call.y() = call.f32(0);
  activate(call, call.y());
}

void infer_embedding(OpCall& call) {
  call.need_rank(0, 2);
  call.need_dtype(1, DType::i64);
  Shape out = call.shape(1);
  out.push_back(call.dim(0, 1));
  call.result(0, DType::f32, out);
}

void evaluate_embedding(OpCall& call) {
  const int64_t count = call.dim(0, 0), width = call.dim(0, 1);
  float* y = call.y().data();
  for (int64_t id : call.i64(1)) {
    if (id < 0) id += count;
    if (id < 0 || id >= count) call.fail("an id outside the table");
    y = std::copy_n(call.f32(0).data() + id * width, width, y);
  }
}

void infer_patches(OpCall& call) {
  call.need_rank(0, 4);
  const int64_t ph = call.node.int_or("patch_h", 0), pw = call.node.int_or("patch_w", 0);
  call.need(ph > 0 && pw > 0, "patches must have a size");
  call.result(
      0, DType::f32,
      {call.dim(0, 0), (call.dim(0, 2) / ph) * (call.dim(0, 3) / pw), call.dim(0, 1) * ph * pw});
}

void evaluate_patches(OpCall& call) {
  const int64_t ph = call.node.int_or("patch_h", 0), pw = call.node.int_or("patch_w", 0);
  const int64_t channels = call.dim(0, 1), height = call.dim(0, 2), width = call.dim(0, 3);
  // y [B, rows, columns, C, ph, pw] read from x [B, C, H, W]
  copy_strided(call.f32(0).data(), {call.dim(0, 0), height / ph, width / pw, channels, ph, pw},
               {channels * height * width, ph * width, pw, height * width, width, 1},
               call.y().data());
}

constexpr OpRule kFusedRules[] = {
    {kFusedDomain, "Linear", infer_linear, evaluate_linear},
    {kFusedDomain, "FramesLinear", infer_frames_linear, evaluate_frames_linear},
    {kFusedDomain, "SignalLinear", infer_signal_linear, evaluate_signal_linear},
    {kFusedDomain, "Attention", infer_attention, evaluate_attention},
    {kFusedDomain, "Norm", infer_norm, evaluate_norm},
    {kFusedDomain, "Activation", infer_activation, evaluate_activation},
    {kFusedDomain, "Embedding", infer_embedding, evaluate_embedding},
    {kFusedDomain, "Patches", infer_patches, evaluate_patches},
};

}  // namespace

std::span<const OpRule> fused_rules() { return kFusedRules; }

}  // namespace heed::graph
