// Rows that nothing reads are not computed: a slice of rows moves towards the inputs, past all that
// computes each row from that row alone, and past attention to its queries. A classifier that reads
// its class token leaves one row of the last block; keys and values still need all.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"
#include "converter/passes/strided_view.h"

namespace heed::passes {
namespace {

/// Rows begin .. end-1 along a dimension that is not the last.
struct Rows {
  size_t axis;
  int64_t begin, end;

  int64_t size() const { return end - begin; }
};

/// What a Slice takes, where it takes neighbouring rows.
std::optional<Rows> rows_of(const Graph& graph, const Node& slice) {
  if (!slice.is("Slice")) return std::nullopt;
  const auto ranges = slice_ranges(graph, slice);
  if (!ranges) return std::nullopt;
  const Shape &from = shape_of(graph, slice.inputs[0]), &to = shape_of(graph, slice.outputs[0]);
  std::optional<Rows> rows;
  for (const SliceRange& range : *ranges) {
    if (from[range.axis] == to[range.axis] && range.step == 1) continue;
    if (rows || range.step != 1 || range.axis + 1 >= from.size()) return std::nullopt;
    rows = Rows{range.axis, range.start, range.start + to[range.axis]};
  }
  return rows;
}

/// All rows that somebody reads of a value.
struct Readers {
  std::vector<NodeId> slices;
  bool others = false;  // read all of it
  Rows rows{};
};

std::optional<Readers> readers_of(const Graph& graph, ValueId value) {
  Readers readers;
  readers.others = graph.is_output(value);
  for (const NodeId user : graph.value(value).users) {
    const auto rows = rows_of(graph, graph.node(user));
    if (!rows) {
      readers.others = true;
      continue;
    }
    if (readers.slices.empty()) readers.rows = *rows;
    if (rows->axis != readers.rows.axis) return std::nullopt;
    readers.rows.begin = std::min(readers.rows.begin, rows->begin);
    readers.rows.end = std::max(readers.rows.end, rows->end);
    readers.slices.push_back(user);
  }
  if (readers.slices.empty()) return std::nullopt;
  return readers;
}

/// "x[:, 0:1]": what measuring compares with these rows of the source's x.
std::string part_name(const std::string& name, const Rows& rows) {
  std::string part = name + "[";
  for (size_t d = 0; d < rows.axis; ++d) part += ":, ";
  return part + std::to_string(rows.begin) + ":" + std::to_string(rows.end) + "]";
}

ValueId slice_rows(Graph& graph, ValueId x, const Rows& rows) {
  return emit_slice(graph, x, static_cast<int64_t>(rows.axis), rows.begin, rows.size(),
                    part_name(graph.value(x).name, rows));
}

/// The node on those rows of its first input.
std::optional<Node> narrow_first_input(Graph& graph, Node node, const Rows& rows) {
  const Shape &in = shape_of(graph, node.inputs[0]), &out = shape_of(graph, node.outputs[0]);
  if (in.size() != out.size() || in[rows.axis] != out[rows.axis]) return std::nullopt;
  if (input_of(node, 3) != kNoValue) return std::nullopt;  // a residual: comes later
  node.inputs[0] = slice_rows(graph, node.inputs[0], rows);
  return node;
}

/// The same for all operands of an elementwise node that have such rows.
std::optional<Node> narrow_elementwise(Graph& graph, Node node, const Rows& rows) {
  const size_t rank = shape_of(graph, node.outputs[0]).size();
  for (ValueId& input : node.inputs) {
    const Shape& shape = shape_of(graph, input);
    const size_t missing = rank - shape.size();
    if (rows.axis < missing || shape[rows.axis - missing] == 1) continue;
    if (graph.constant(input) != nullptr && floats_of(graph, input) == nullptr) return std::nullopt;
    input = slice_rows(graph, input, {rows.axis - missing, rows.begin, rows.end});
  }
  return node;
}

/// A Reshape that leaves the rows one dimension with as many elements before and after it.
std::optional<Node> narrow_reshape(Graph& graph, Node node, const Rows& rows) {
  const Shape in = shape_of(graph, node.inputs[0]);
  Shape out = shape_of(graph, node.outputs[0]);
  const auto before = [](const Shape& shape, size_t axis) {
    return element_count(Shape(shape.begin(), shape.begin() + static_cast<ptrdiff_t>(axis)));
  };
  size_t axis = 0;
  while (axis + 1 < in.size() &&
         (in[axis] != out[rows.axis] || before(in, axis) != before(out, rows.axis)))
    ++axis;
  if (axis + 1 >= in.size()) return std::nullopt;
  node.inputs[0] = slice_rows(graph, node.inputs[0], {axis, rows.begin, rows.end});
  out[rows.axis] = rows.size();
  node.inputs.resize(1);
  node.inputs.push_back(add_ints(graph, node.name + "/shape", out));
  node.attributes.clear();
  return node;
}

/// Outputs begin .. end-1 of a Linear on [B,T,K].
ValueId some_outputs(Graph& graph, const Node& linear, ValueId x, int64_t begin, int64_t end) {
  const std::string name =
      linear.name + "[" + std::to_string(begin) + ":" + std::to_string(end) + "]";
  Node part = fused_node("Linear", name, {x}, linear.attributes);
  part.inputs.push_back(
      emit_slice(graph, linear.inputs[1], 0, begin, end - begin, name + "/weight"));
  if (const ValueId bias = input_of(linear, 2); bias != kNoValue)
    part.inputs.push_back(emit_slice(graph, bias, 0, begin, end - begin, name + "/bias"));
  Shape shape = shape_of(graph, x);
  shape.back() = end - begin;
  const ValueId output = emit(graph, std::move(part), shape);
  graph.value(output).name = part_name(graph.value(linear.outputs[0]).name, {2, begin, end});
  return output;
}

struct Columns {
  int64_t begin, end;
};
Columns columns_of(const Node& attention, size_t operand) {
  constexpr const char* kColumn[] = {"q_column", "k_column", "v_column"};
  const int64_t begin = attention.int_or(kColumn[operand], 0);
  const int64_t heads = attention.int_or(operand == 0 ? "heads" : "kv_heads", 1);
  const int64_t width = attention.int_or(operand == 2 ? "value_width" : "head_width", 1);
  return {begin, begin + heads * width};
}

/// Where one layer projects to queries, keys and values, the queries get a layer of their own, on
/// the rows that are left of them.
std::optional<Node> narrow_merged(Graph& graph, Node node, const Rows& rows) {
  const ValueId merged = node.inputs[0];
  const NodeId from = graph.producer_id(merged);
  if (from == kNoNode || merged != node.inputs[1] || merged != node.inputs[2] ||
      graph.value(merged).users.size() != 3 || graph.is_output(merged))
    return std::nullopt;
  const Node linear = graph.node(from);
  if (!linear.is("Linear", kFusedDomain) || input_of(linear, 3) != kNoValue) return std::nullopt;
  const Columns q = columns_of(node, 0), k = columns_of(node, 1), v = columns_of(node, 2);
  const Columns kv = {std::min(k.begin, v.begin), std::max(k.end, v.end)};
  if (q.begin < kv.end && kv.begin < q.end) return std::nullopt;
  const ValueId x = linear.inputs[0];
  node.inputs[0] = some_outputs(graph, linear, slice_rows(graph, x, rows), q.begin, q.end);
  node.inputs[1] = node.inputs[2] = some_outputs(graph, linear, x, kv.begin, kv.end);
  node.attributes["q_column"] = int64_t{0};
  node.attributes["k_column"] = k.begin - kv.begin;
  node.attributes["v_column"] = v.begin - kv.begin;
  return node;
}

/// Attention for some of its queries. Causal ones must be the last: they are told from the number
/// of keys where they stand.
std::optional<Node> narrow_attention(Graph& graph, Node node, const Rows& rows) {
  const int64_t queries = shape_of(graph, node.outputs[0])[1];
  const bool by_place = node.int_or("causal", 0) != 0 || node.int_or("window", 0) != 0;
  if (rows.axis != 1 || (by_place && rows.end != queries)) return std::nullopt;
  if (const ValueId mask = input_of(node, 3); mask != kNoValue) {
    const Shape& shape = shape_of(graph, mask);
    if (shape.size() >= 2 && shape[shape.size() - 2] != 1)
      node.inputs[3] = slice_rows(graph, mask, {shape.size() - 2, rows.begin, rows.end});
  }
  const bool among_keys = node.has("first_query") || queries == shape_of(graph, node.inputs[1])[1];
  if (among_keys) node.attributes["first_query"] = node.int_or("first_query", 0) + rows.begin;
  if (auto merged = narrow_merged(graph, node, rows)) return merged;
  node.inputs[0] = slice_rows(graph, node.inputs[0], rows);
  return node;
}

/// The node that computes these rows of the output of `node` alone.
std::optional<Node> narrow(Graph& graph, const Node& node, const Rows& rows) {
  const auto is_one_of = [&](std::initializer_list<const char*> ops, std::string_view domain) {
    return std::any_of(ops.begin(), ops.end(), [&](const char* op) { return node.is(op, domain); });
  };
  if (is_one_of({"Linear", "Norm", "Activation"}, kFusedDomain))
    return narrow_first_input(graph, node, rows);
  if (node.is("Attention", kFusedDomain)) return narrow_attention(graph, node, rows);
  if (node.is("Reshape")) return narrow_reshape(graph, node, rows);
  if (is_one_of({"Add", "Sub", "Mul", "Div", "Relu", "Tanh", "Sigmoid"}, ""))
    return narrow_elementwise(graph, node, rows);
  return std::nullopt;
}

/// again: a norm that others read whole is computed again for rows that are few.
bool narrow_one(Graph& graph, PassReport& report, NodeId id, bool again) {
  const Node node = graph.node(id);
  if (node.outputs.size() != 1) return false;
  const ValueId whole = node.outputs[0];
  const auto readers = readers_of(graph, whole);
  if (!readers) return false;
  if (readers->others && !(again && node.is("Norm", kFusedDomain))) return false;
  const Rows& rows = readers->rows;
  Shape shape = shape_of(graph, whole);
  if (2 * rows.size() > shape[rows.axis]) return false;
  auto narrowed = narrow(graph, node, rows);
  if (!narrowed) return false;
  shape[rows.axis] = rows.size();
  narrowed->outputs.clear();
  ValueId part = emit(graph, std::move(*narrowed), shape, graph.value(whole).dtype);
  graph.value(part).name = part_name(graph.value(whole).name, rows);
  std::vector<std::string> names;
  for (const NodeId slice : readers->slices) {
    names.push_back(graph.node(slice).name);
    const Rows wanted = *rows_of(graph, graph.node(slice));
    const ValueId output = graph.node(slice).outputs[0];
    const Rows within = {rows.axis, wanted.begin - rows.begin, wanted.end - rows.begin};
    if (wanted.size() == rows.size() && bypass(graph, output, part)) {
      if (graph.is_output(output)) part = output;
    } else {
      replace(graph, output, graph.node(graph.producer_id(slice_rows(graph, part, within))));
    }
  }
  report.fused("Slice", node.name, std::move(names));
  return true;
}

}  // namespace

bool narrow_rows(Graph& graph, PassReport& report) {
  const auto to_rest = [&](bool again) {
    return rewrite_to_rest(graph,
                           [&](Graph& g, NodeId id) { return narrow_one(g, report, id, again); });
  };
  const bool changed = to_rest(false);
  // Only once all slices of a norm have reached it: it is computed again once for them all.
  return to_rest(true) || changed;
}

}  // namespace heed::passes
