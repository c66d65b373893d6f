// com.microsoft's ops, as onnxruntime's optimiser writes them, beside attention and FusedMatMul.

#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

/// x + skip (+ bias), then a norm. Outputs: the normalised, mean, deviation (both unused), the sum.
void infer_skip_norm(OpCall& call, size_t bias) {
  call.need_dtype(0, DType::f32);
  call.need(call.rank(0) >= 1, "x must have rows");
  const Shape& x = call.shape(0);
  call.need(broadcast_shapes(call, call.shape(1), x) == x, "skip is larger than x");
  for (size_t i = 2; i <= bias; ++i) {
    call.need(!call.has(i) || call.shape(i) == Shape{x.back()},
              "gamma, beta and bias must have one element per column");
  }
  call.need(call.has(2), "gamma is missing");
  call.need(!call.wants(1) && !call.wants(2), "the output of the statistics is not supported");
  for (size_t i = 0; i < call.results.size(); ++i) call.result(i, DType::f32, x);
}

void evaluate_skip_norm(OpCall& call, size_t bias, bool center) {
  const Shape& shape = call.shape(0);
  const int64_t width = shape.back();
  std::vector<float> sum(call.f32(0).size());
  auto add = [](float a, float b) { return a + b; };
  broadcast_binary(call.f32(0).data(), shape, call.f32(1).data(), call.shape(1), shape, sum.data(),
                   add);
  if (call.has(bias)) {
    broadcast_binary(sum.data(), shape, call.f32(bias).data(), call.shape(bias), shape, sum.data(),
                     add);
  }
  const float epsilon = call.node.float_or("epsilon", 1e-5f);
  const float* beta = center && call.has(3) ? call.f32(3).data() : nullptr;
  for (size_t first = 0; first < sum.size(); first += static_cast<size_t>(width)) {
    normalize_row({sum.data() + first, call.f32(2).data(), beta, call.y().data() + first, width,
                   epsilon, center});
  }
  if (call.wants(3)) call.y(3) = std::move(sum);
}

void infer_skip_layer_norm(OpCall& call) { infer_skip_norm(call, 4); }
void evaluate_skip_layer_norm(OpCall& call) { evaluate_skip_norm(call, 4, true); }
void infer_skip_rms_norm(OpCall& call) { infer_skip_norm(call, 3); }
void evaluate_skip_rms_norm(OpCall& call) { evaluate_skip_norm(call, 3, false); }

void infer_biased(OpCall& call) {
  call.need_dtype(0, DType::f32);
  if (call.has(1) && broadcast_shapes(call, call.shape(0), call.shape(1)) != call.shape(0)) {
    call.fail("the bias is larger than x");
  }
  call.result(0, DType::f32, call.shape(0));
}

void evaluate_biased(OpCall& call, const char* activation) {
  call.y() = call.f32(0);
  const Shape& shape = call.shape(0);
  if (call.has(1)) {
    broadcast_binary(call.f32(0).data(), shape, call.f32(1).data(), call.shape(1), shape,
                     call.y().data(), [](float a, float b) { return a + b; });
  }
  apply_activation(activation, call.y().data(), static_cast<int64_t>(call.y().size()));
}

void evaluate_bias_gelu(OpCall& call) { evaluate_biased(call, "GeluErf"); }
void evaluate_fast_gelu(OpCall& call) { evaluate_biased(call, "GeluTanh"); }

void evaluate_quick_gelu(OpCall& call) {
  const float alpha = call.node.float_or("alpha", 1.702f);
  for (size_t i = 0; i < call.y().size(); ++i) {
    const float x = call.f32(0)[i];
    call.y()[i] = x * sigmoid(alpha * x);
  }
}

/// ids, segment ids, word table, position table, segment table, gamma, beta, mask, position ids
/// -> the normalised sum, how many keys of each row count (0 without a mask), the sum.
void infer_embed_norm(OpCall& call) {
  call.need_rank(0, 2);
  call.need_rank(2, 2);
  call.need_rank(3, 2);
  const Shape out = {call.dim(0, 0), call.dim(0, 1), call.dim(2, 1)};
  call.need(call.dim(3, 1) == out[2], "the tables differ in width");
  call.need(call.elements(5) == out[2] && call.elements(6) == out[2],
            "gamma and beta must have one element per column");
  call.need(!call.has(7) || call.shape(7) == call.shape(0), "the mask does not fit the ids");
  call.need(call.has(8) || call.dim(3, 0) >= out[1], "the position table is too short");
  call.result(0, DType::f32, out);
  call.result(1, DType::i64, {out[0]});
  call.result(2, DType::f32, out);
}

void add_row(const OpCall& call, size_t table, int64_t row, float* to) {
  call.need(row >= 0 && row < call.dim(table, 0), "an id is outside its table");
  const int64_t width = call.dim(table, 1);
  const float* from = call.f32(table).data() + row * width;
  for (int64_t i = 0; i < width; ++i) to[i] += from[i];
}

void evaluate_embed_norm(OpCall& call) {
  const Shape& out = call.results[0].shape;
  std::vector<float> sum(call.y().size(), 0.0f);
  for (int64_t row = 0; row < out[0] * out[1]; ++row) {
    const size_t at = static_cast<size_t>(row);
    float* to = sum.data() + row * out[2];
    add_row(call, 2, call.i64(0)[at], to);
    add_row(call, 3, call.has(8) ? call.i64(8)[at % call.i64(8).size()] : row % out[1], to);
    if (call.has(1) && call.has(4)) add_row(call, 4, call.i64(1)[at], to);
    normalize_row({to, call.f32(5).data(), call.f32(6).data(), call.y().data() + row * out[2],
                   out[2], call.node.float_or("epsilon", 1e-12f), true});
  }
  if (call.wants(1) && call.has(7)) {
    for (int64_t i = 0; i < out[0] * out[1]; ++i) {
      if (call.i64(7)[static_cast<size_t>(i)] == 1) ++call.yi(1)[static_cast<size_t>(i / out[1])];
    }
  }
  if (call.wants(2)) call.y(2) = std::move(sum);
}

constexpr const char* kContrib = "com.microsoft";
constexpr OpRule kContribRules[] = {
    {kContrib, "BiasGelu", infer_biased, evaluate_bias_gelu},
    {kContrib, "EmbedLayerNormalization", infer_embed_norm, evaluate_embed_norm},
    {kContrib, "FastGelu", infer_biased, evaluate_fast_gelu},
    {kContrib, "Gelu", infer_biased, evaluate_bias_gelu},
    {kContrib, "QuickGelu", infer_biased, evaluate_quick_gelu},
    {kContrib, "SkipLayerNormalization", infer_skip_layer_norm, evaluate_skip_layer_norm},
    {kContrib, "SkipSimplifiedLayerNormalization", infer_skip_rms_norm, evaluate_skip_rms_norm},
};

}  // namespace

std::span<const OpRule> contrib_rules() { return kContribRules; }

}  // namespace heed::graph
