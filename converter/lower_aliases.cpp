#include "converter/lower_aliases.h"

#include <algorithm>
#include <cstddef>

namespace heed {
namespace {

using graph::Constant;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

int64_t elements(const graph::Shape& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

const graph::Shape& shape_of(const Graph& graph, ValueId value) {
  return *graph.value(value).shape;
}

bool is_onnx(const Node& node, std::initializer_list<const char*> ops) {
  return node.domain.empty() &&
         std::any_of(ops.begin(), ops.end(), [&](const char* op) { return node.op == op; });
}

/// The same bytes under another shape.
bool is_reshape(const Graph& graph, const Node& node) {
  if (is_onnx(node, {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})) return true;
  if (is_onnx(node, {"Dropout"})) return node.outputs.size() < 2 || node.outputs[1] == kNoValue;
  if (is_onnx(node, {"Cast"}))
    return graph.value(node.inputs[0]).dtype == graph.value(node.outputs[0]).dtype;
  if (!is_onnx(node, {"Transpose"})) return false;
  const graph::Shape& in = shape_of(graph, node.inputs[0]);
  std::vector<int64_t> order = node.ints_or("perm", {});
  if (order.empty()) return in.size() < 2;
  order.erase(std::remove_if(order.begin(), order.end(),
                             [&](int64_t d) { return in[static_cast<size_t>(d)] == 1; }),
              order.end());
  return std::is_sorted(order.begin(), order.end());
}

/// Where a slice is one piece of memory: its first element's index.
std::optional<int64_t> contiguous_offset(const graph::Shape& in, const SliceSpec& slice) {
  size_t first = 0;
  while (first < in.size() && slice.sizes[first] == 1) ++first;
  int64_t offset = 0, stride = 1;
  for (size_t d = in.size(); d-- > 0;) {
    if (d > first && slice.sizes[d] != in[d]) return std::nullopt;
    if (slice.sizes[d] > 1 && slice.steps[d] != 1) return std::nullopt;
    offset += slice.starts[d] * stride;
    stride *= in[d];
  }
  return offset;
}

SliceSpec whole(const graph::Shape& in) {
  return {std::vector<int64_t>(in.size(), 0), std::vector<int64_t>(in.size(), 1), in};
}

std::optional<SliceSpec> of_slice(const Graph& graph, const Node& node) {
  const graph::Shape& in = shape_of(graph, node.inputs[0]);
  const auto starts = ints_of(graph, node, "starts", 1);
  const auto ends = ints_of(graph, node, "ends", 2);
  if (!starts || !ends) return std::nullopt;
  auto axes = ints_of(graph, node, "axes", 3);
  const auto steps = ints_of(graph, node, "steps", 4);
  if (!axes && node.inputs.size() > 3 && node.inputs[3] != kNoValue) return std::nullopt;
  if (!steps && node.inputs.size() > 4 && node.inputs[4] != kNoValue) return std::nullopt;
  SliceSpec spec = whole(in);
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t axis = axes ? (*axes)[i] : static_cast<int64_t>(i);
    if (axis < 0) axis += static_cast<int64_t>(in.size());
    const auto d = static_cast<size_t>(axis);
    const int64_t step = steps ? (*steps)[i] : 1;
    int64_t start = (*starts)[i] < 0 ? (*starts)[i] + in[d] : (*starts)[i];
    start =
        step > 0 ? std::clamp<int64_t>(start, 0, in[d]) : std::clamp<int64_t>(start, 0, in[d] - 1);
    spec.starts[d] = start;
    spec.steps[d] = step;
  }
  spec.sizes = shape_of(graph, node.outputs[0]);
  return spec;
}

std::optional<SliceSpec> of_split(const Graph& graph, const Node& node, size_t index) {
  const graph::Shape& in = shape_of(graph, node.inputs[0]);
  int64_t axis = node.int_or("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(in.size());
  SliceSpec spec = whole(in);
  int64_t start = 0;
  for (size_t i = 0; i < index; ++i) {
    // A part that nobody wants may be left without a value; then its size is that of the others.
    const ValueId part = node.outputs[i] == kNoValue ? node.outputs[index] : node.outputs[i];
    start += shape_of(graph, part)[static_cast<size_t>(axis)];
  }
  if (const auto sizes = ints_of(graph, node, "split", 1)) {
    start = 0;
    for (size_t i = 0; i < index; ++i) start += (*sizes)[i];
  }
  spec.starts[static_cast<size_t>(axis)] = start;
  spec.sizes = shape_of(graph, node.outputs[index]);
  return spec;
}

std::optional<SliceSpec> of_gather(const Graph& graph, const Node& node) {
  const Constant* ids = graph.constant(node.inputs[1]);
  if (!ids || ids->i64.size() != 1) return std::nullopt;
  const graph::Shape& in = shape_of(graph, node.inputs[0]);
  int64_t axis = node.int_or("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(in.size());
  const auto d = static_cast<size_t>(axis);
  const int64_t id = ids->i64[0] < 0 ? ids->i64[0] + in[d] : ids->i64[0];
  if (id < 0 || id >= in[d]) return std::nullopt;
  SliceSpec spec = whole(in);
  spec.starts[d] = id;
  spec.sizes[d] = 1;
  return spec;
}

}  // namespace

std::optional<std::vector<int64_t>> ints_of(const Graph& graph, const Node& node, const char* key,
                                            size_t input) {
  if (node.has(key)) return node.ints_or(key, {});
  if (input >= node.inputs.size() || node.inputs[input] == kNoValue) return std::nullopt;
  const Constant* constant = graph.constant(node.inputs[input]);
  if (!constant) return std::nullopt;
  return constant->i64;
}

std::optional<SliceSpec> slice_of(const Graph& graph, const Node& node, size_t index) {
  if (is_onnx(node, {"Slice"})) return of_slice(graph, node);
  if (is_onnx(node, {"Split"})) return of_split(graph, node, index);
  if (is_onnx(node, {"Gather"})) return of_gather(graph, node);
  return std::nullopt;
}

Aliases::Aliases(const Graph& graph)
    : aliases_(graph.value_count()),
      alias_node_(graph.node_count(), false),
      root_(graph.value_count()),
      members_(graph.value_count()) {
  for (size_t v = 0; v < root_.size(); ++v) {
    root_[v] = static_cast<ValueId>(v);
    members_[v] = {root_[v]};
  }
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    bool all = !node.outputs.empty();
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId out = node.outputs[i];
      if (out == kNoValue) continue;
      std::optional<int64_t> offset;
      if (i == 0 && is_reshape(graph, node)) {
        offset = 0;
      } else if (const auto slice = slice_of(graph, node, i)) {
        offset = contiguous_offset(shape_of(graph, node.inputs[0]), *slice);
      }
      if (offset) note(graph, out, node.inputs[0], *offset);
      all = all && offset.has_value();
    }
    alias_node_[static_cast<size_t>(id)] = all;
  }
}

void Aliases::note(const Graph& graph, ValueId value, ValueId base, int64_t offset) {
  aliases_[static_cast<size_t>(value)] = {base, offset};
  const graph::Shape& from = shape_of(graph, base);
  const graph::Shape& to = shape_of(graph, value);
  if (from.empty() || to.empty() || from.back() != to.back() || elements(from) != elements(to))
    return;
  const ValueId root = rows_root(base);
  root_[static_cast<size_t>(value)] = root;
  members_[static_cast<size_t>(root)].push_back(value);
}

std::vector<NodeId> Aliases::row_users(const Graph& graph, ValueId root) const {
  std::vector<NodeId> users;
  for (const ValueId member : same_rows(root)) {
    for (const NodeId user : graph.value(member).users) {
      const Node& node = graph.node(user);
      if (node.dead) continue;
      const bool reshapes =
          is_alias_node(user) && node.outputs.size() == 1 && rows_root(node.outputs[0]) == root;
      if (!reshapes) users.push_back(user);
    }
  }
  return users;
}

bool Aliases::rows_are_output(const Graph& graph, ValueId root) const {
  const auto& members = same_rows(root);
  return std::any_of(members.begin(), members.end(),
                     [&](ValueId value) { return graph.is_output(value); });
}

}  // namespace heed
