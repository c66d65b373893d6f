// What lives from run to run, and positions in it: State, CacheAppend, Rope of fused_ops.h.

#include <algorithm>

#include "converter/graph/fused_ops.h"
#include "converter/graph/rules/rule_families.h"

namespace heed::graph {
namespace {

/// The only element of an integer operand; `otherwise` where it is absent.
int64_t position_of(const OpCall& call, size_t operand, int64_t otherwise) {
  return call.has(operand) ? call.i64(operand).at(0) : otherwise;
}

void need_position(const OpCall& call, size_t operand) {
  call.need_dtype(operand, DType::i64);
  call.need(call.elements(operand) == 1, "a position must be one integer");
}

void infer_state(OpCall& call) {
  const Shape shape = call.node.ints_or("shape", {});
  call.need(shape.size() == 3 && element_count(shape) > 0, "a state must be [B,capacity,W]");
  call.result(0, DType::f32, shape);
}

void evaluate_state(OpCall& call) { std::fill(call.y().begin(), call.y().end(), 0.0f); }

void infer_append(OpCall& call) {
  call.need_rank(0, 3);
  call.need_rank(1, 3);
  need_position(call, 2);
  const int64_t column = call.node.int_or("x_column", 0);
  call.need(call.dim(1, 0) == call.dim(0, 0), "the cache has another batch than its rows");
  call.need(call.dim(1, 1) <= call.dim(0, 1), "the cache has no room for the rows");
  call.need(column >= 0 && column + call.dim(0, 2) <= call.dim(1, 2),
            "the columns of a cache lie beyond its rows");
  call.same_as(0);
}

void evaluate_append(OpCall& call) {
  const int64_t batch = call.dim(0, 0), capacity = call.dim(0, 1), width = call.dim(0, 2);
  const int64_t rows = call.dim(1, 1), step = call.dim(1, 2);
  const int64_t position = position_of(call, 2, 0), column = call.node.int_or("x_column", 0);
  call.need(position >= 0 && position + rows <= capacity, "a position outside the cache");
  call.y() = call.f32(0);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < rows; ++t)
      std::copy_n(call.f32(1).data() + (b * rows + t) * step + column, width,
                  call.y().data() + (b * capacity + position + t) * width);
}

struct RopeSizes {
  int64_t heads, width, half, column;
  bool interleaved;
};

RopeSizes rope_sizes(const OpCall& call) {
  RopeSizes s{call.node.int_or("heads", 1), call.node.int_or("head_width", 0), call.dim(1, 1) / 2,
              call.node.int_or("x_column", 0), call.node.int_or("interleaved", 0) != 0};
  call.need(s.heads > 0 && s.width > 0 && s.column >= 0, "heads must have a width");
  return s;
}

void infer_rope(OpCall& call) {
  call.need_rank(0, 3);
  call.need_rank(1, 2);
  if (call.has(2)) need_position(call, 2);
  const RopeSizes s = rope_sizes(call);
  call.need(call.dim(1, 1) % 2 == 0 && call.dim(1, 1) >= 2 && call.dim(1, 1) <= s.width,
            "the angles do not fit the heads");
  call.need(call.dim(1, 0) >= call.dim(0, 1), "there are fewer angles than rows");
  call.need(s.column + s.heads * s.width <= call.dim(0, 2), "the heads pass the row's end");
  call.result(0, DType::f32, {call.dim(0, 0), call.dim(0, 1), s.heads * s.width});
}

void rotate(const RopeSizes& s, const float* x, const float* angles, float* y) {
  std::copy_n(x, s.width, y);
  for (int64_t i = 0; i < s.half; ++i) {
    const int64_t first = s.interleaved ? 2 * i : i;
    const int64_t second = s.interleaved ? 2 * i + 1 : i + s.half;
    const float cosine = angles[i], sine = angles[s.half + i];
    y[first] = x[first] * cosine - x[second] * sine;
    y[second] = x[second] * cosine + x[first] * sine;
  }
}

void evaluate_rope(OpCall& call) {
  const RopeSizes s = rope_sizes(call);
  const int64_t rows = call.dim(0, 1), step = call.dim(0, 2);
  const int64_t position = position_of(call, 2, 0);
  call.need(position >= 0 && position + rows <= call.dim(1, 0), "a position beyond the last");
  for (int64_t row = 0; row < call.dim(0, 0) * rows; ++row) {
    const float* angles = call.f32(1).data() + (position + row % rows) * 2 * s.half;
    for (int64_t h = 0; h < s.heads; ++h)
      rotate(s, call.f32(0).data() + row * step + s.column + h * s.width, angles,
             call.y().data() + (row * s.heads + h) * s.width);
  }
}

constexpr OpRule kStateRules[] = {
    {kFusedDomain, "State", infer_state, evaluate_state, false, true},
    {kFusedDomain, "CacheAppend", infer_append, evaluate_append, false, true},
    {kFusedDomain, "Rope", infer_rope, evaluate_rope},
};

}  // namespace

std::span<const OpRule> state_rules() { return kStateRules; }

}  // namespace heed::graph
