#include "converter/passes/attention_mask.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace heed::passes {
namespace {

/// The term as [1 or batch, 1 or heads, 1 or queries, 1 or keys].
ValueId shape_for_heads(Graph& graph, const MaskTerm& term, const AttentionShape& shape,
                        const std::string& name) {
  Shape mask = shape_of(graph, term.value);
  mask.insert(mask.begin(), term.scores.size() - mask.size(), 1);
  const size_t outer = mask.size() - 2;
  const bool same_for_all = std::all_of(mask.begin(), mask.begin() + static_cast<ptrdiff_t>(outer),
                                        [](int64_t dim) { return dim == 1; });
  const int64_t queries = mask[outer], keys = mask[outer + 1];
  ValueId x = emit_reshape(graph, term.value, mask, name + "/aligned");
  if (same_for_all) return emit_reshape(graph, x, {1, 1, queries, keys}, name + "/mask");
  // Dimensions before `split` are batches, those from there on heads, where the scores split so.
  size_t split = 0;
  int64_t batches = 1;
  while (split < outer && batches < shape.batch) batches *= term.scores[split++];
  int64_t batch = 1, heads = 1;
  for (size_t i = 0; i < outer; ++i) (i < split ? batch : heads) *= mask[i];
  const bool fits = batches == shape.batch && (batch == 1 || batch == shape.batch) &&
                    (heads == 1 || heads == shape.heads);
  if (!fits) {
    Shape full(term.scores.begin(), term.scores.end() - 2);
    full.insert(full.end(), {queries, keys});
    x = emit(graph, onnx_node("Expand", name + "/expand", {x, add_ints(graph, name + "/to", full)}),
             full);
    batch = shape.batch;
    heads = shape.heads;
  }
  return emit_reshape(graph, x, {batch, heads, queries, keys}, name + "/mask");
}

/// Whether a constant mask [..,queries, keys] says nothing but causal with that window.
bool says_window(const Constant& mask, const AttentionShape& shape, int64_t window) {
  for (size_t i = 0; i < mask.f32.size(); ++i) {
    const int64_t s = static_cast<int64_t>(i) % shape.keys;
    const int64_t t = static_cast<int64_t>(i) / shape.keys % shape.queries;
    const int64_t last = t + shape.keys - shape.queries;
    const bool seen = s <= last && (window == 0 || s > last - window);
    if (seen ? mask.f32[i] != 0.0f : !(mask.f32[i] <= kMaskedScore)) return false;
  }
  return true;
}

/// How many keys the last query sees, counted back from the last key.
int64_t window_of(const Constant& mask, const AttentionShape& shape) {
  int64_t seen = 0;
  const auto last_row = static_cast<size_t>((shape.queries - 1) * shape.keys);
  while (seen < shape.keys &&
         mask.f32[last_row + static_cast<size_t>(shape.keys - 1 - seen)] == 0.0f) {
    ++seen;
  }
  return seen;
}

/// Reads a constant mask into `result`; what stays is its bias.
void read_constant(Graph& graph, const ConstantPtr& mask, const AttentionShape& shape,
                   const std::string& name, AttentionMask& result) {
  const bool all_zero =
      std::all_of(mask->f32.begin(), mask->f32.end(), [](float m) { return m == 0.0f; });
  if (all_zero) return;
  const bool square = mask->shape[2] == shape.queries && mask->shape[3] == shape.keys &&
                      shape.keys >= shape.queries;
  if (square) {
    const int64_t seen = window_of(*mask, shape);
    const int64_t window = seen == shape.keys ? 0 : seen;
    if (seen > 0 && says_window(*mask, shape, window)) {
      result.causal = true;
      result.window = window;
      return;
    }
  }
  result.bias = graph.add_constant(name + "/mask", mask);
}

}  // namespace

AttentionMask join_masks(Graph& graph, const std::vector<MaskTerm>& terms,
                         const AttentionShape& shape, const std::string& name) {
  AttentionMask result;
  ConstantPtr constant;
  ValueId computed = kNoValue;
  for (const MaskTerm& term : terms) {
    ValueId x = shape_for_heads(graph, term, shape, name);
    const Shape x_shape = shape_of(graph, x);
    if (floats_of(graph, x) != nullptr) {
      auto scaled = std::make_shared<Constant>(*graph.value(x).constant);
      if (term.factor != 1.0f) {
        for (float& m : scaled->f32) m *= term.factor;
      }
      constant = constant ? combined(*constant, *scaled, std::plus<float>()) : ConstantPtr(scaled);
      continue;
    }
    if (term.factor != 1.0f) {
      const ValueId factor = add_floats(graph, name + "/mask_factor", {}, {term.factor});
      x = emit(graph, onnx_node("Mul", name + "/mask_scaled", {x, factor}), x_shape);
    }
    if (computed != kNoValue) {
      const Shape sum = *broadcast_shape(shape_of(graph, computed), x_shape);
      x = emit(graph, onnx_node("Add", name + "/mask_sum", {computed, x}), sum);
    }
    computed = x;
  }
  if (constant) read_constant(graph, constant, shape, name, result);
  if (computed == kNoValue) return result;
  if (result.bias != kNoValue) {
    const Shape sum = *broadcast_shape(shape_of(graph, computed), shape_of(graph, result.bias));
    computed = emit(graph, onnx_node("Add", name + "/mask_sum", {computed, result.bias}), sum);
  }
  result.bias = computed;
  return result;
}

ValueId mask_from_condition(Graph& graph, ValueId condition, bool keep_where_true, float hidden,
                            const std::string& name) {
  const Shape shape = shape_of(graph, condition);
  if (const Constant* known = graph.constant(condition)) {
    std::vector<float> mask;
    for (int64_t is_true : known->i64) {
      mask.push_back((is_true != 0) == keep_where_true ? 0.0f : hidden);
    }
    return add_floats(graph, name + "/mask", shape, std::move(mask));
  }
  const ValueId kept = add_floats(graph, name + "/kept", {}, {0.0f});
  const ValueId gone = add_floats(graph, name + "/hidden", {}, {hidden});
  const ValueId on_true = keep_where_true ? kept : gone;
  const ValueId on_false = keep_where_true ? gone : kept;
  return emit(graph, onnx_node("Where", name + "/mask", {condition, on_true, on_false}), shape);
}

}  // namespace heed::passes
