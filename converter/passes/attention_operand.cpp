#include "converter/passes/attention_operand.h"

#include <algorithm>

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
    const StridedView& view = source.view;
    const size_t rank = view.dims.size();
    const Shape shape = view.shape();
    const int64_t rows = shape[rank - 2], width = shape[rank - 1];
    const Runs& row_runs = view.dims[rank - 2];
    const Runs& width_runs = view.dims[rank - 1];
    if (row_runs.size() > 1 || width_runs.size() > 1) continue;
    if (width > 1 && width_runs[0].stride != 1) continue;
    const std::vector<int64_t> offsets = view.offsets(rank - 2);
    const int64_t batch = static_cast<int64_t>(offsets.size()) / heads;
    const int64_t total = element_count(shape_of(graph, source.value));
    if (total % (batch * rows) != 0) continue;
    const int64_t row_width = total / (batch * rows);
    if (rows > 1 && row_runs[0].stride != row_width) continue;
    const auto first = offsets.begin();
    const int64_t distinct = distinct_heads({first, first + heads}, width);
    if (distinct == 0 || offsets[0] + distinct * width > row_width) continue;
    bool regular = true;
    for (int64_t i = 0; i < batch * heads; ++i) {
      const int64_t expected =
          offsets[static_cast<size_t>(i % heads)] + i / heads * rows * row_width;
      regular = regular && offsets[static_cast<size_t>(i)] == expected;
    }
    if (regular) return HeadRows{source.value, row_width, offsets[0], distinct, source.scale};
  }
  return std::nullopt;
}

HeadRows make_rows(Graph& graph, ValueId operand, bool swapped, const Shape& outer, int64_t heads,
                   const std::string& name) {
  Shape shape = shape_of(graph, operand);
  ValueId x = operand;
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
  return {x, heads * width, 0, heads, 1.0f};
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
