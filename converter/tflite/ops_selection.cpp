// Lookups, choices between operands, and values made from sizes.

#include <numeric>
#include <utility>

#include "converter/graph/op_call.h"
#include "converter/tflite/op_writer.h"

namespace heed::tflite {
namespace {

using Op = tfl::BuiltinOperator;

Ids gather(OpWriter& w) {
  const auto options = w.options<tfl::GatherOptions>();
  w.need(options.batch_dims == 0, "batch dimensions are not supported");
  const int64_t axis = w.axis(options.axis, w.rank_in(0));
  return {w.node("Gather", {w.in(0), w.in(1)}, {{"axis", axis}})};
}

Ids gather_nd(OpWriter& w) { return {w.node("GatherND", {w.in(0), w.in(1)})}; }

Ids select(OpWriter& w) {
  ValueId condition = w.in(0);
  const Shape shape = w.shape_in(1), flags = w.shape(condition);
  if (flags.size() == 1 && shape.size() > 1) {  // one for each index of the first dimension
    Shape to(shape.size(), 1);
    to[0] = flags[0];
    condition = w.reshape(condition, std::move(to));
  }
  return {w.node("Where", {condition, w.in(1), w.in(2)})};
}

Ids select_v2(OpWriter& w) { return {w.node("Where", {w.in(0), w.in(1), w.in(2)})}; }

/// The places of what is not 0, one a row.
Ids where(OpWriter& w) {
  w.need(w.constant(w.in(0)) != nullptr, "its operand is computed when the model runs");
  const ValueId places = w.node("NonZero", {w.in(0)});
  return {w.turned(places)};
}

Ids one_hot(OpWriter& w) {
  const auto reshaped = [&](size_t i) { return w.reshape(w.in(i), {1}); };
  const ValueId values = w.node("Concat", {reshaped(3), reshaped(2)}, {{"axis", int64_t{0}}});
  return {w.node("OneHot", {w.in(0), w.in(1), values},
                 {{"axis", int64_t{w.options<tfl::OneHotOptions>().axis}}})};
}

Ids shape(OpWriter& w) { return {w.node("Shape", {w.in(0)})}; }

Ids rank(OpWriter& w) { return {w.integer(w.rank_in(0))}; }

Ids range(OpWriter& w) { return {w.node("Range", {w.in(0), w.in(1), w.in(2)})}; }

Ids fill(OpWriter& w) {
  w.ints_in(0, "sizes");
  return {w.node("Expand", {w.reshape(w.in(1), {}), w.in(0)})};
}

Ids zeros_like(OpWriter& w) {
  const ValueId x = w.in(0);
  const ValueId zero = w.dtype(x) == DType::f32 ? w.number(0) : w.cast(w.integer(0), w.dtype(x));
  return {w.node("Expand", {zero, w.integers(w.shape(x))})};
}

}  // namespace

std::vector<OpRecipe> selection_recipes() {
  return {{Op::FILL, fill},       {Op::GATHER, gather},        {Op::GATHER_ND, gather_nd},
          {Op::ONE_HOT, one_hot}, {Op::RANGE, range},          {Op::RANK, rank},
          {Op::SELECT, select},   {Op::SELECT_V2, select_v2},  {Op::SHAPE, shape},
          {Op::WHERE, where},     {Op::ZEROS_LIKE, zeros_like}};
}

}  // namespace heed::tflite
