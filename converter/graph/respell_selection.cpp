// Selections by place or by index in terms of Where and Gather.

#include <limits>
#include <numeric>

#include "converter/graph/respell.h"
#include "converter/graph/speller.h"

namespace heed::graph {
namespace {

constexpr double kPlacesMax = 1 << 20;  // of a OneHot

ValueId scalar(Speller& spell, DType type, int64_t value) {
  Constant made;
  made.dtype = type;
  if (made.dtype == DType::f32) {
    made.f32 = {static_cast<float>(value)};
  } else {
    made.i64 = {value};
  }
  return spell.constant(std::move(made));
}

/// Where(a triangle of true, x, 0).
bool trilu(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const ValueId x = node.inputs[0];
  const Shape& shape = known_shape(graph, x);
  int64_t k = 0;
  if (node.inputs.size() > 1 && node.inputs[1] != kNoValue) {
    const Constant* given = graph.constant(node.inputs[1]);
    if (given == nullptr || given->i64.size() != 1) return false;
    k = given->i64[0];
  }
  const bool upper = node.int_or("upper", 1) != 0;
  const int64_t rows = shape[shape.size() - 2], columns = shape.back();
  if (element_count({rows, columns}) < 0 || element_count({rows, columns}) > kMadeElementsMax)
    no_other_words(node, "its triangle has too many elements");
  Constant kept;
  kept.dtype = DType::boolean;
  kept.shape = {rows, columns};
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) kept.i64.push_back(upper ? j - i >= k : j - i <= k);
  }
  if (graph.value(x).dtype == DType::boolean) {
    Speller spell(graph, id);
    spell.finish(spell.node("And", {x, spell.constant(std::move(kept))}));
    return true;
  }
  Speller spell(graph, id);
  const ValueId zero = scalar(spell, graph.value(x).dtype, 0);
  spell.finish(spell.node("Where", {spell.constant(std::move(kept)), x, zero}));
  return true;
}

/// Indices below zero count from the end.
ValueId wrapped(Speller& spell, DType type, ValueId ids, int64_t size) {
  const ValueId below = spell.node("Less", {ids, scalar(spell, type, 0)});
  const ValueId added = spell.node("Add", {ids, scalar(spell, type, size)});
  return spell.node("Where", {below, added, ids});
}

/// Where(ids == 0 .. depth-1, on, off), the new dimension at `axis`.
bool one_hot(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const ValueId ids = node.inputs[0];
  const Shape shape = known_shape(graph, ids);
  const Constant* depth_given = graph.constant(node.inputs[1]);
  if (depth_given == nullptr || depth_given->elements() != 1) return false;
  const double asked = depth_given->dtype == DType::f32 ? static_cast<double>(depth_given->f32[0])
                                                        : static_cast<double>(depth_given->i64[0]);
  if (!(asked >= 1 && asked <= kPlacesMax)) no_other_words(node, "its depth is out of range");
  const auto depth = static_cast<int64_t>(asked);
  const int64_t rank = static_cast<int64_t>(shape.size()) + 1;
  int64_t axis = node.int_or("axis", -1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) no_other_words(node, "its axis is out of range");
  Shape apart = shape, places(static_cast<size_t>(rank), 1);
  apart.insert(apart.begin() + axis, 1);
  places[static_cast<size_t>(axis)] = depth;
  Constant place;
  place.dtype = graph.value(ids).dtype;
  place.shape = places;
  for (int64_t i = 0; i < depth; ++i) {
    place.i64.push_back(i);
    place.f32.push_back(static_cast<float>(i));
  }
  (place.dtype == DType::f32 ? place.i64.resize(0) : place.f32.resize(0));
  Speller spell(graph, id);
  const ValueId index = spell.reshape(wrapped(spell, place.dtype, ids, depth), apart);
  const ValueId hot = spell.node("Equal", {index, spell.constant(std::move(place))});
  const ValueId off = spell.slice(node.inputs[2], 0, 0, 1);
  const ValueId on = spell.slice(node.inputs[2], 0, 1, 2);
  spell.finish(spell.node("Where", {hot, on, off}));
  return true;
}

/// Tuples of indices as one index into the dimensions that they span, and that in a Gather.
bool gather_nd(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (node.int_or("batch_dims", 0) != 0) return false;
  const Shape data = known_shape(graph, node.inputs[0]), ids = known_shape(graph, node.inputs[1]);
  const auto rank = static_cast<int64_t>(data.size());
  if (ids.empty() || ids.back() < 1 || ids.back() > rank || element_count(data) <= 0)
    no_other_words(node, "its operands do not fit each other");
  const int64_t count = ids.back();
  Speller spell(graph, id);
  ValueId joined = kNoValue;
  int64_t stride = 1;
  for (int64_t i = count; i-- > 0;) {
    const int64_t last = static_cast<int64_t>(ids.size()) - 1;
    ValueId part = spell.slice(node.inputs[1], last, i, i + 1);
    part = spell.reshape(part, Shape(ids.begin(), ids.end() - 1));
    const int64_t size = data[static_cast<size_t>(i)];
    part = wrapped(spell, DType::i64, part, size);
    if (stride != 1) part = spell.node("Mul", {part, spell.integer(stride)});
    joined = joined == kNoValue ? part : spell.node("Add", {joined, part});
    stride *= size;
  }
  Shape flat = {stride};
  flat.insert(flat.end(), data.begin() + count, data.end());
  const ValueId rows = spell.reshape(node.inputs[0], flat);
  spell.finish(spell.node("Gather", {rows, joined}, {{"axis", int64_t{0}}}));
  return true;
}

/// Rows of `data`, some of them replaced by rows of `updates`: row r is at[r] of both in a row.
bool take_rows(Graph& graph, NodeId id, const std::vector<int64_t>& at, int64_t width) {
  const Node node = graph.node(id);
  const ValueId data = node.inputs[0], updates = node.inputs[2];
  const int64_t rows = static_cast<int64_t>(at.size());
  bool replaces_all = true;
  for (int64_t r = 0; r < rows; ++r) {
    replaces_all = replaces_all && at[static_cast<size_t>(r)] == rows + r;
  }
  const Shape shape = known_shape(graph, data);
  const int64_t added = element_count(known_shape(graph, updates)) / width;
  Speller spell(graph, id);
  if (replaces_all && added == rows) {
    spell.finish(spell.reshape(updates, shape));
    return true;
  }
  const ValueId before = spell.reshape(data, {rows, width});
  const ValueId after = spell.reshape(updates, {added, width});
  const ValueId both = spell.node("Concat", {before, after}, {{"axis", int64_t{0}}});
  const ValueId taken = spell.node("Gather", {both, spell.integers(at)}, {{"axis", int64_t{0}}});
  spell.finish(spell.reshape(taken, shape));
  return true;
}

std::vector<int64_t> untouched(const Node& node, int64_t rows) {
  if (rows > kMadeElementsMax) no_other_words(node, "it scatters into too many places");
  std::vector<int64_t> at(static_cast<size_t>(rows));
  std::iota(at.begin(), at.end(), int64_t{0});
  return at;
}

/// Scatters of rows to places that are known.
bool scatter_nd(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const Constant* ids = graph.constant(node.inputs[1]);
  if (ids == nullptr || node.string_or("reduction", "none") != "none") return false;
  const Shape& data = known_shape(graph, node.inputs[0]);
  const auto rank = static_cast<int64_t>(data.size());
  if (ids->dtype != DType::i64 || ids->shape.empty() || ids->shape.back() < 1 ||
      ids->shape.back() > rank) {
    no_other_words(node, "its operands do not fit each other");
  }
  const int64_t count = ids->shape.back();
  const int64_t width = element_count(Shape(data.begin() + count, data.end()));
  if (element_count(data) <= 0 || ids->elements() == 0) return false;
  const int64_t rows = element_count(data) / width;
  if (element_count(known_shape(graph, node.inputs[2])) != ids->elements() / count * width)
    no_other_words(node, "its operands do not fit each other");
  std::vector<int64_t> at = untouched(node, rows);
  for (int64_t j = 0; j < ids->elements() / count; ++j) {
    int64_t row = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t size = data[static_cast<size_t>(i)];
      int64_t index = ids->i64[static_cast<size_t>(j * count + i)];
      if (index < 0) index += size;
      if (index < 0 || index >= size) no_other_words(node, "an index is out of range");
      row = row * size + index;
    }
    at[static_cast<size_t>(row)] = rows + j;
  }
  return take_rows(graph, id, at, width);
}

bool scatter_elements(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const Constant* ids = graph.constant(node.inputs[1]);
  if (ids == nullptr) no_other_words(node, "its indices depend on the model's input");
  if (node.string_or("reduction", "none") != "none")
    no_other_words(node, "scatters that add or compare are not supported");
  const Shape &data = known_shape(graph, node.inputs[0]), &from = ids->shape;
  int64_t axis = node.int_or("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(data.size());
  const auto along = static_cast<size_t>(axis);
  const std::vector<int64_t> to_steps = row_strides(data), from_steps = row_strides(from);
  if (ids->dtype != DType::i64 || from.size() != data.size() || along >= data.size() ||
      element_count(data) <= 0 || known_shape(graph, node.inputs[2]) != from) {
    no_other_words(node, "its operands do not fit each other");
  }
  std::vector<int64_t> at = untouched(node, element_count(data));
  for (int64_t j = 0; j < ids->elements(); ++j) {
    int64_t place = 0;
    for (size_t d = 0; d < from.size(); ++d) {
      int64_t index = j / from_steps[d] % from[d];
      if (d == along) {
        index = ids->i64[static_cast<size_t>(j)];
        if (index < 0) index += data[d];
      }
      if (index < 0 || index >= data[d]) no_other_words(node, "an index is out of range");
      place += index * to_steps[d];
    }
    at[static_cast<size_t>(place)] = static_cast<int64_t>(at.size()) + j;
  }
  return take_rows(graph, id, at, 1);
}

/// Equal to either infinity that one asks for.
bool is_inf(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const float infinity = std::numeric_limits<float>::infinity();
  const bool above = node.int_or("detect_positive", 1) != 0;
  const bool below = node.int_or("detect_negative", 1) != 0;
  Speller spell(graph, id);
  ValueId x = node.inputs[0];
  if (above && below) x = spell.node("Abs", {x});
  const float wanted = above ? infinity : below ? -infinity : 0.0f;
  if (!above && !below) {  // nothing is asked for: false, whatever x is
    x = spell.node("IsNaN", {x});
    spell.finish(spell.node("And", {x, spell.node("Not", {x})}));
    return true;
  }
  spell.finish(spell.node("Equal", {x, spell.filled({}, wanted)}));
  return true;
}

}  // namespace

bool respell_selection(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.is("Trilu")) return trilu(graph, id);
  if (node.is("OneHot")) return one_hot(graph, id);
  if (node.is("GatherND")) return gather_nd(graph, id);
  if (node.is("ScatterND")) return scatter_nd(graph, id);
  if (node.is("ScatterElements")) return scatter_elements(graph, id);
  return is_inf(graph, id);
}

}  // namespace heed::graph
