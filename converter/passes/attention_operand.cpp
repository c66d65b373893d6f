#include "converter/passes/attention_operand.h"

#include <algorithm>
#include <utility>

namespace heed::passes {
namespace {

/// The view of a source as the nodes of `path` (nearest the operand first) leave it.
std::optional<StridedView> follow(const Graph& graph, ValueId source,
                                  const std::vector<NodeId>& path) {
  StridedView view = StridedView::whole(shape_of(graph, source));
  for (size_t i = path.size(); i-- > 0;) {
    const Node& node = graph.node(path[i]);
    if (is_movement(graph, node) && !apply_movement(graph, node, view)) return std::nullopt;
  }
  return view;
}

/// How many heads are distinct when head h lies at offsets[h], all `width` apart; 0 where they lie
/// otherwise. Several heads may share one (grouped queries): then neighbours do.
int64_t distinct_heads(const std::vector<int64_t>& offsets, int64_t width) {
  const int64_t heads = static_cast<int64_t>(offsets.size());
  int64_t group = 1;
  while (group < heads && offsets[static_cast<size_t>(group)] == offsets[0]) ++group;
  if (heads % group != 0) return 0;
  for (int64_t h = 0; h < heads; ++h) {
    if (offsets[static_cast<size_t>(h)] != offsets[0] + h / group * width) return 0;
  }
  return heads / group;
}

/// How an operand lies in rows: row r of batch b begins at (b * rows + r) * row_width.
struct RegularRows {
  int64_t row_width;
  std::vector<int64_t> heads;  // where each head's values begin within a row
  std::vector<int64_t> steps;  // where each value lies from there
};

/// Nothing where batches and rows do not follow each other like that.
std::optional<RegularRows> regular_rows(const OperandSource& source, const Graph& graph,
                                        int64_t heads) {
  const StridedView& view = source.view;
  const size_t rank = view.dims.size();
  const Shape shape = view.shape();
  const int64_t rows = shape[rank - 2];
  const Runs& row_runs = view.dims[rank - 2];
  if (row_runs.size() > 1) return std::nullopt;
  const std::vector<int64_t> offsets = view.offsets(rank - 2);
  const int64_t pairs = static_cast<int64_t>(offsets.size()), batch = pairs / heads;
  const int64_t total = element_count(shape_of(graph, source.value));
  if (total % (batch * rows) != 0) return std::nullopt;
  RegularRows lie{total / (batch * rows), {offsets.begin(), offsets.begin() + heads}, {0}};
  if (rows > 1 && row_runs[0].stride != lie.row_width) return std::nullopt;
  for (const Run& run : view.dims[rank - 1]) {
    std::vector<int64_t> finer;
    for (int64_t base : lie.steps) {
      for (int64_t j = 0; j < run.size; ++j) finer.push_back(base + j * run.stride);
    }
    lie.steps = std::move(finer);
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t expected =
        lie.heads[static_cast<size_t>(i % heads)] + i / heads * rows * lie.row_width;
    if (offsets[static_cast<size_t>(i)] != expected) return std::nullopt;
  }
  for (int64_t head : lie.heads) {
    const bool inside = head >= 0 && head + lie.steps.back() < lie.row_width;
    if (!inside || lie.steps.back() < 0) return std::nullopt;
  }
  return lie;
}

}  // namespace

std::vector<OperandSource> operand_sources(const Graph& graph, ValueId operand, bool swapped,
                                           const Shape& outer) {
  std::vector<OperandSource> sources;
  std::vector<NodeId> path;
  float scale = 1.0f;
  ValueId at = operand;
  for (;;) {
    if (auto view = follow(graph, at, path)) {
      const size_t rank = view->dims.size();
      if (swapped) std::swap(view->dims[rank - 1], view->dims[rank - 2]);
      Shape full = outer;
      const Shape own = view->shape();
      full.insert(full.end(), own.end() - 2, own.end());
      if (view->expand(full)) sources.push_back({at, std::move(*view), scale});
    }
    const NodeId id = graph.producer_id(at);
    if (id == kNoNode) break;
    const Node& node = graph.node(id);
    if (is_movement(graph, node)) {
      at = node.inputs[0];
    } else if (const auto factor = scalar_operand(graph, node); factor && node.is("Mul")) {
      at = factor->other;
      scale *= factor->scalar;
    } else {
      break;
    }
    path.push_back(id);
  }
  std::reverse(sources.begin(), sources.end());
  return sources;
}

std::optional<HeadRows> find_rows(const std::vector<OperandSource>& sources, const Graph& graph,
                                  int64_t heads) {
  for (const OperandSource& source : sources) {
    const auto lie = regular_rows(source, graph, heads);
    if (!lie) continue;
    const int64_t width = static_cast<int64_t>(lie->steps.size());
    const bool is_dense = width == 1 || lie->steps.back() == width - 1;
    const int64_t distinct = is_dense ? distinct_heads(lie->heads, width) : 0;
    HeadRows rows{source.value, lie->row_width, lie->heads[0], distinct, source.scale, {}};
    if (distinct != 0) return rows;
    const Node* linear = graph.producer(source.value, "Linear", kFusedDomain);
    if (linear == nullptr || input_of(*linear, 3) != kNoValue) continue;
    if (!linear->string_or("activation", "").empty()) continue;
    if (shape_of(graph, source.value).back() != lie->row_width) continue;
    for (int64_t head : lie->heads) {
      for (int64_t step : lie->steps) rows.columns.push_back(head + step);
    }
    rows.heads = heads;
    return rows;
  }
  return std::nullopt;
}

void gather_columns(Graph& graph, HeadRows& rows) {
  if (rows.columns.empty()) return;
  const Node linear = *graph.producer(rows.value, "Linear", kFusedDomain);
  const ConstantPtr weight = graph.value(linear.inputs[1]).constant;
  const Constant* bias = floats_of(graph, input_of(linear, 2));
  const int64_t k = weight->shape[1], n = static_cast<int64_t>(rows.columns.size());
  std::vector<float> picked, picked_bias;
  for (int64_t column : rows.columns) {
    const auto first = weight->f32.begin() + column * k;
    picked.insert(picked.end(), first, first + k);
    if (bias != nullptr) picked_bias.push_back(bias->f32[static_cast<size_t>(column)]);
  }
  std::vector<ValueId> inputs = {linear.inputs[0],
                                 add_floats(graph, linear.name + "/weight", {n, k}, picked)};
  if (bias != nullptr) {
    inputs.push_back(add_floats(graph, linear.name + "/bias", {n}, picked_bias));
  }
  Shape shape = shape_of(graph, rows.value);
  shape.back() = n;
  rows.value = emit(graph, fused_node("Linear", linear.name, inputs, linear.attributes), shape);
  rows.row_width = n;
  rows.column = 0;
  rows.columns.clear();
}

namespace {

/// A value without its constant factors, directly or before one transpose, and their product: it
/// can go to the scores.
std::pair<ValueId, float> without_factors(Graph& graph, ValueId x, const std::string& name) {
  float scale = 1.0f;
  for (;;) {
    const Node* turn = graph.producer(x, "Transpose");
    const ValueId from = turn != nullptr ? turn->inputs[0] : x;
    const Node* product = graph.producer(from, "Mul");
    const auto factor = product != nullptr ? scalar_operand(graph, *product) : std::nullopt;
    if (!factor || shape_of(graph, factor->other) != shape_of(graph, from)) return {x, scale};
    scale *= factor->scalar;
    const std::vector<int64_t> perm =
        turn != nullptr ? turn->ints_or("perm", {}) : std::vector<int64_t>();
    x = perm.empty() ? factor->other : emit_transpose(graph, factor->other, perm, name + "/bare");
  }
}

}  // namespace

HeadRows make_rows(Graph& graph, ValueId operand, bool swapped, const Shape& outer, int64_t heads,
                   const std::string& name) {
  Shape shape = shape_of(graph, operand);
  auto [x, scale] = without_factors(graph, operand, name);
  if (swapped) {
    std::vector<int64_t> perm(shape.size());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    x = emit_transpose(graph, x, perm, name + "/swap");
    shape = permuted(shape, perm);
  }
  const int64_t rows = shape[shape.size() - 2], width = shape.back();
  Shape full = outer;
  full.insert(full.end(), {rows, width});
  if (element_count(full) != element_count(shape)) {
    x = emit(graph, onnx_node("Expand", name + "/expand", {x, add_ints(graph, name + "/to", full)}),
             full);
  }
  const int64_t batch = element_count(outer) / heads;
  x = emit_reshape(graph, x, {batch, heads, rows, width}, name + "/heads");
  x = emit_transpose(graph, x, {0, 2, 1, 3}, name + "/rows");
  return {x, heads * width, 0, heads, scale, {}};
}

ValueId find_joined_heads(const Graph& graph, ValueId product, int64_t heads) {
  const Shape shape = shape_of(graph, product);
  const int64_t rows = shape[shape.size() - 2], width = shape.back();
  const int64_t batch = element_count(shape) / (heads * rows * width);
  StridedView joined = StridedView::whole({batch, heads, rows, width});
  joined.permute({0, 2, 1, 3});
  const Runs wanted = joined.order();
  StridedView view = StridedView::whole(shape);
  ValueId found = kNoValue, at = product;
  for (;;) {
    if (view.order() == wanted) found = at;
    const NodeId user = graph.only_user(at);
    if (user == kNoNode) break;
    const Node& node = graph.node(user);
    if (!node.is("Reshape") && !node.is("Transpose")) break;
    if (!apply_movement(graph, node, view)) break;
    at = node.outputs[0];
  }
  return found;
}

}  // namespace heed::passes
