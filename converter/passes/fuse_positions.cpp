// Scores by distance, as Transformer-XL and the Conformers have them: queries of each head times a
// constant matrix [D, 2T-1], a column for each distance T-1 .. 1-T; then row t is read from column
// T-1-t on, which exporters spell as padding and reshaping. Here each head gets a Linear of its
// own, and the shift is one strided read:
//
//   [T, 2T-1] -> [T (2T-1)] -> elements T-1 .. T-2 + T (2T-2) -> [T, 2T-2] -> columns 0 .. T-1

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"
#include "converter/passes/strided_view.h"

namespace heed::passes {
namespace {

/// The product [.., heads, T, 2T-1] and what becomes of it.
struct Distances {
  int64_t heads, rows, width;
  ValueId end = kNoValue;  // [.., heads, T, T]: shifted, times `scale`
  float scale = 1.0f;
  std::vector<std::string> names;
};

/// Whether all dimensions before the last three are one.
bool has_one_batch(const Shape& shape) {
  for (size_t i = 0; i + 3 < shape.size(); ++i)
    if (shape[i] != 1) return false;
  return shape.size() >= 3;
}

/// One column of zeros before the others, by Pad or by Concat.
bool pads_one_column(const Graph& graph, const Node& node, ValueId x) {
  const Shape& from = shape_of(graph, x);
  Shape to = from;
  ++to.back();
  if (shape_of(graph, node.outputs[0]) != to) return false;
  if (node.is("Concat")) {
    const Constant* zeros = floats_of(graph, node.inputs[0]);
    return node.inputs.size() == 2 && node.inputs[1] == x && zeros != nullptr &&
           zeros->shape.back() == 1;
  }
  if (!node.is("Pad") || node.string_or("mode", "constant") != "constant") return false;
  if (node.inputs.size() > 3 && node.inputs[3] != kNoValue) {  // only the axes named
    const auto axes = ints_of(graph, node.inputs[3]);
    const auto pads = ints_of(graph, node.inputs[1]);
    return axes && axes->size() == 1 && pads && (*pads)[0] == 1;
  }
  const auto pads = node.has("pads") ? std::optional(node.ints_or("pads", {}))
                                     : ints_of(graph, input_of(node, 1));
  return pads && pads->size() == 2 * from.size() && (*pads)[from.size() - 1] == 1;
}

/// Goes over factors: gives the value after them.
ValueId step_over_factors(const Graph& graph, ValueId at, Distances& found) {
  for (;;) {
    const NodeId user = graph.only_user(at);
    if (user == kNoNode || !graph.node(user).is("Mul")) return at;
    const Node& node = graph.node(user);
    const auto factor = scalar_operand(graph, node);
    if (!factor || factor->other != at) return at;
    found.scale *= factor->scalar;
    found.names.push_back(node.name);
    at = node.outputs[0];
  }
}

/// Follows the product to where row t begins at column T-1-t.
bool find_shift(const Graph& graph, ValueId product, Distances& found) {
  ValueId at = step_over_factors(graph, product, found);
  NodeId user = graph.only_user(at);
  if (user == kNoNode || !pads_one_column(graph, graph.node(user), at)) return false;
  found.names.push_back(graph.node(user).name);
  at = graph.node(user).outputs[0];
  StridedView view = StridedView::whole(shape_of(graph, at));
  const int64_t t = found.rows, h = found.heads;
  StridedView wanted;  // element (h, t, s) of the padded product
  wanted.offset = t;
  wanted.dims = {{{h, 2 * t * t}}, {{t, 2 * t - 1}}, {{t, 1}}};
  for (;;) {
    user = graph.only_user(at);
    if (user == kNoNode || !is_movement(graph, graph.node(user))) return false;
    if (!apply_movement(graph, graph.node(user), view)) return false;
    found.names.push_back(graph.node(user).name);
    at = graph.node(user).outputs[0];
    if (view.offset == wanted.offset && view.order() == wanted.order() &&
        shape_of(graph, at).back() == t)
      break;
  }
  found.end = step_over_factors(graph, at, found);
  return true;
}

/// Row by row of a head's scores by distance [T, 2T-1], read from column T-1-t on: [T, T].
ValueId emit_shift(Graph& graph, ValueId x, int64_t rows, const std::string& name) {
  const int64_t step = 2 * rows - 2;
  x = emit_reshape(graph, x, {rows * (2 * rows - 1)}, name + "/flat");
  x = emit_slice(graph, x, 0, rows - 1, rows * step, name + "/first");
  x = emit_reshape(graph, x, {rows, step}, name + "/rows");
  return emit_slice(graph, x, 1, 0, rows, name + "/shift");
}

bool fuse_distances(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("MatMul")) return false;
  const ConstantPtr table = graph.value(node.inputs[1]).constant;
  const Shape y = shape_of(graph, node.outputs[0]);
  if (table == nullptr || table->dtype != DType::f32 || table->shape.size() < 3 ||
      !has_one_batch(table->shape) || !has_one_batch(y) ||
      graph.constant(node.inputs[0]) != nullptr)
    return false;
  const Shape& t = table->shape;
  Distances found{t[t.size() - 3], y[y.size() - 2], t[t.size() - 2], kNoValue, 1.0f, {node.name}};
  const int64_t heads = found.heads, rows = found.rows, width = found.width, reach = t.back();
  if (rows < 2 || reach != 2 * rows - 1 || heads != y[y.size() - 3]) return false;
  if (!find_shift(graph, node.outputs[0], found)) return false;
  // (q + v) P = q P + v P: what is added to each head's queries becomes a bias.
  ValueId queries = node.inputs[0];
  const Constant* added = nullptr;
  if (const Node* sum = graph.producer(queries, "Add")) {
    const auto operand = constant_operand(graph, *sum);
    const Constant* v = operand ? floats_of(graph, operand->constant) : nullptr;
    const bool each_row = v != nullptr && v->elements() == heads * width && v->shape.size() >= 3 &&
                          v->shape[v->shape.size() - 2] == 1;
    if (each_row && shape_of(graph, operand->other) == shape_of(graph, queries)) {
      found.names.push_back(sum->name);
      queries = operand->other;
      added = v;
    }
  }
  queries = emit_reshape(graph, queries, {heads, rows, width}, node.name + "/heads");
  std::vector<ValueId> parts;
  for (int64_t h = 0; h < heads; ++h) {
    const std::string name = node.name + "/head" + std::to_string(h);
    const auto first = table->f32.begin() + h * width * reach;
    std::vector<float> weight = transposed({first, first + width * reach}, {width, reach}, {1, 0});
    for (float& w : weight) w *= found.scale;
    std::vector<float> bias;
    for (int64_t n = 0; added != nullptr && n < reach; ++n) {
      double sum = 0;
      for (int64_t d = 0; d < width; ++d)
        sum += static_cast<double>(weight[static_cast<size_t>(n * width + d)]) *
               static_cast<double>(added->f32[static_cast<size_t>(h * width + d)]);
      bias.push_back(static_cast<float>(sum));
    }
    const ValueId q = emit_reshape(graph, emit_slice(graph, queries, 0, h, 1, name + "/queries"),
                                   {rows, width}, name + "/rows");
    std::vector<ValueId> inputs = {
        q, add_floats(graph, name + "/weight", {reach, width}, std::move(weight))};
    if (added != nullptr)
      inputs.push_back(add_floats(graph, name + "/bias", {reach}, std::move(bias)));
    Node linear = fused_node("Linear", name, std::move(inputs), {{"activation", std::string()}});
    const ValueId by_distance = emit(graph, std::move(linear), {rows, reach});
    parts.push_back(emit_reshape(graph, emit_shift(graph, by_distance, rows, name), {1, rows, rows},
                                 name + "/scores"));
  }
  const ValueId all = emit(graph, onnx_node("Concat", node.name, parts, {{"axis", int64_t{0}}}),
                           {heads, rows, rows});
  const ValueId target = add_ints(graph, node.name + "/shape", shape_of(graph, found.end));
  replace(graph, found.end, onnx_node("Reshape", node.name + "/out", {all, target}));
  report.fused("Linear", node.name, std::move(found.names));
  return true;
}

}  // namespace

bool fuse_positions(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fuse_distances(g, report, id); });
}

}  // namespace heed::passes
