#include "converter/passes/expand_rotary.h"

#include <string>
#include <utility>
#include <vector>

namespace heed::passes {
namespace {

/// A RotaryEmbedding's operands, whichever domain it is of.
struct Rotary {
  ValueId x, positions, cosines, sines;
  int64_t half;     // values of a head that are turned, by two
  bool pairs;       // neighbours turn together; else the halves do
  bool heads_last;  // x as [batch, rows, heads, width]; else [batch, heads, rows, width]
};

/// Rows of a table of angles, as x's rows take them: [batch, rows, 1, half] or [batch, 1, rows,
/// half].
ValueId angles(Graph& graph, const Rotary& r, ValueId table, const std::string& name) {
  const Shape x = shape_of(graph, r.x);
  const int64_t batch = x[0], rows = r.heads_last ? x[1] : x[2];
  ValueId taken = table;
  if (r.positions != kNoValue) {
    ValueId positions = r.positions;
    const bool counts_on = element_count(shape_of(graph, positions)) == 1 && batch * rows > 1;
    if (counts_on) {
      std::vector<int64_t> steps;
      for (int64_t t = 0; t < rows; ++t) steps.push_back(t);
      positions = emit_reshape(graph, positions, {1}, name + "/first");
      const ValueId step = add_ints(graph, name + "/steps", std::move(steps));
      positions =
          emit(graph, onnx_node("Add", name + "/counted", {positions, step}), {rows}, DType::i64);
    } else {
      positions = emit_reshape(graph, positions, {batch, rows}, name + "/places");
    }
    Shape shape = shape_of(graph, positions);
    shape.push_back(r.half);
    taken =
        emit(graph, onnx_node("Gather", name + "/rows", {table, positions}, {{"axis", int64_t{0}}}),
             shape);
  }
  const int64_t distinct = element_count(shape_of(graph, taken)) / (rows * r.half);
  const Shape aligned =
      r.heads_last ? Shape{distinct, rows, 1, r.half} : Shape{distinct, 1, rows, r.half};
  return emit_reshape(graph, taken, aligned, name + "/aligned");
}

ValueId combined_as(Graph& graph, const char* op, ValueId a, ValueId b, const std::string& name) {
  const Shape shape = *broadcast_shape(shape_of(graph, a), shape_of(graph, b));
  return emit(graph, onnx_node(op, name, {a, b}), shape);
}

/// The turned part of x, [.., 2 * half].
ValueId turned(Graph& graph, const Rotary& r, ValueId x, const std::string& name) {
  const Shape shape = shape_of(graph, x);
  Shape apart = shape, single = shape;
  apart.back() = r.half;
  single.back() = r.half;
  ValueId first, second;
  if (r.pairs) {
    apart.push_back(2);
    const ValueId split = emit_reshape(graph, x, apart, name + "/pairs");
    first = emit_reshape(graph, emit_slice(graph, split, 4, 0, 1, name + "/even"), single,
                         name + "/evens");
    second = emit_reshape(graph, emit_slice(graph, split, 4, 1, 1, name + "/odd"), single,
                          name + "/odds");
  } else {
    first = emit_slice(graph, x, 3, 0, r.half, name + "/low");
    second = emit_slice(graph, x, 3, r.half, r.half, name + "/high");
  }
  const ValueId cosine = angles(graph, r, r.cosines, name + "/cosine");
  const ValueId sine = angles(graph, r, r.sines, name + "/sine");
  const auto times = [&](ValueId a, ValueId b, const char* which) {
    return combined_as(graph, "Mul", a, b, name + which);
  };
  ValueId left = combined_as(graph, "Sub", times(first, cosine, "/first_cosine"),
                             times(second, sine, "/second_sine"), name + "/left");
  ValueId right = combined_as(graph, "Add", times(second, cosine, "/second_cosine"),
                              times(first, sine, "/first_sine"), name + "/right");
  int64_t axis = 3;
  Shape joined = shape;
  if (r.pairs) {
    Shape one = single;
    one.push_back(1);
    left = emit_reshape(graph, left, one, name + "/left_one");
    right = emit_reshape(graph, right, one, name + "/right_one");
    axis = 4;
    joined = apart;
  }
  const ValueId both =
      emit(graph, onnx_node("Concat", name + "/both", {left, right}, {{"axis", axis}}), joined);
  return emit_reshape(graph, both, shape, name + "/turned");
}

}  // namespace

bool expand_rotary(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const bool contrib = node.is("RotaryEmbedding", kMicrosoft);
  if (!contrib && !node.is("RotaryEmbedding")) return false;
  Rotary r{};
  r.x = node.inputs[0];
  r.positions = contrib ? node.inputs[1] : input_of(node, 3);
  r.cosines = node.inputs[contrib ? 2 : 1];
  r.sines = node.inputs[contrib ? 3 : 2];
  r.half = shape_of(graph, r.cosines).back();
  r.pairs = node.int_or("interleaved", 0) != 0;
  const Shape shape = shape_of(graph, r.x);
  r.heads_last = shape.size() == 3;
  const std::string& name = node.name;
  if (r.heads_last) {
    int64_t heads = node.int_or("num_heads", 0);
    if (heads == 0) heads = shape[2] / (2 * r.half);
    r.x = emit_reshape(graph, r.x, {shape[0], shape[1], heads, shape[2] / heads}, name + "/heads");
  }
  const Shape split = shape_of(graph, r.x);
  const int64_t width = split.back(), rotated = 2 * r.half;
  ValueId y = turned(graph, r, emit_slice(graph, r.x, 3, 0, rotated, name + "/part"), name);
  if (rotated < width) {
    const ValueId rest = emit_slice(graph, r.x, 3, rotated, width - rotated, name + "/rest");
    y = emit(graph, onnx_node("Concat", name + "/whole", {y, rest}, {{"axis", int64_t{3}}}), split);
  }
  replace(graph, node.outputs[0],
          onnx_node("Reshape", name, {y, add_ints(graph, name + "/shape", shape)}));
  return true;
}

}  // namespace heed::passes
