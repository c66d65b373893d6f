// Elementwise ops, softmax, reductions, comparisons.

#include <numeric>
#include <string>
#include <utility>

#include "converter/tflite/op_writer.h"

namespace heed::tflite {
namespace {

using Op = tfl::BuiltinOperator;

Ids unary(OpWriter& w) { return {w.node(w.word(), {w.in(0)})}; }

Ids binary(OpWriter& w) { return {w.node(w.word(), {w.in(0), w.in(1)})}; }

template <class Options>
Ids activated_binary(OpWriter& w) {
  const ValueId made = w.node(w.word(), {w.in(0), w.in(1)});
  return {w.activated(made, w.options<Options>().fused_activation_function)};
}

Ids unchanged(OpWriter& w) { return {w.in(0)}; }

Ids clip(OpWriter& w, float low, float high) {
  return {w.node("Clip", {w.in(0), w.number(low), w.number(high)})};
}
Ids relu6(OpWriter& w) { return clip(w, 0, 6); }
Ids relu_0_to_1(OpWriter& w) { return clip(w, 0, 1); }
Ids relu_n1_to_1(OpWriter& w) { return clip(w, -1, 1); }

Ids leaky_relu(OpWriter& w) {
  return {w.node("LeakyRelu", {w.in(0)}, {{"alpha", w.options<tfl::LeakyReluOptions>().alpha}})};
}

Ids gelu(OpWriter& w) {
  const bool tanh = w.options<tfl::GeluOptions>().approximate;
  return {w.node("Gelu", {w.in(0)}, {{"approximate", std::string(tanh ? "tanh" : "none")}})};
}

Ids rsqrt(OpWriter& w) { return {w.node("Reciprocal", {w.node("Sqrt", {w.in(0)})})}; }

Ids square(OpWriter& w) { return {w.node("Mul", {w.in(0), w.in(0)})}; }

Ids squared_difference(OpWriter& w) {
  const ValueId difference = w.node("Sub", {w.in(0), w.in(1)});
  return {w.node("Mul", {difference, difference})};
}

Ids floor_div(OpWriter& w) {
  if (w.dtype(w.in(0)) == DType::f32) return {w.node("Floor", {w.node("Div", {w.in(0), w.in(1)})})};
  // The division rounds towards zero: take away first what it would round.
  const ValueId rest = w.node("Mod", {w.in(0), w.in(1)});
  return {w.node("Div", {w.node("Sub", {w.in(0), rest}), w.in(1)})};
}

Ids floor_mod(OpWriter& w) {
  if (w.dtype(w.in(0)) != DType::f32) return {w.node("Mod", {w.in(0), w.in(1)})};
  const ValueId whole = w.node("Floor", {w.node("Div", {w.in(0), w.in(1)})});
  return {w.node("Sub", {w.in(0), w.node("Mul", {whole, w.in(1)})})};
}

Ids add_n(OpWriter& w) {
  Ids inputs;
  for (size_t i = 0; i < w.operands(); ++i) inputs.push_back(w.in(i));
  return {w.node("Sum", std::move(inputs))};
}

Ids not_equal(OpWriter& w) { return {w.node("Not", {w.node("Equal", {w.in(0), w.in(1)})})}; }

Ids cast(OpWriter& w) {
  // The result's type says what to cast to: the op's own options may be missing.
  const auto& to = w.tensor_out(0);
  ValueId x = w.in(0);
  if (w.dtype(x) == DType::f32 && w.result_type(0) == DType::i64) {
    return {w.node("Cast", {x}, {{"to", int64_t{to.type() == tfl::TensorType::int64 ? 7 : 6}}})};
  }
  return {w.cast(x, w.result_type(0))};
}

Ids softmax(OpWriter& w) {
  ValueId x = w.in(0);
  const float beta = w.options<tfl::SoftmaxOptions>().beta;
  if (beta != 1.0f) x = w.node("Mul", {x, w.number(beta)});
  return {w.node("Softmax", {x}, {{"axis", int64_t{-1}}})};
}

Ids log_softmax(OpWriter& w) { return {w.node("LogSoftmax", {w.in(0)}, {{"axis", int64_t{-1}}})}; }

Ids l2_normalization(OpWriter& w) {
  const ValueId made = w.node("LpNormalization", {w.in(0)}, {{"axis", int64_t{-1}}});
  return {w.activated(made, w.options<tfl::L2NormOptions>().fused_activation_function)};
}

// -- reductions

Ids reduce(OpWriter& w) {
  const int64_t rank = w.rank_in(0);
  Ints axes = w.has(1) ? w.ints_in(1, "axes") : Ints{};
  for (int64_t& axis : axes) axis = w.axis(axis, rank);
  if (axes.empty()) return {w.in(0)};
  const int64_t keep = w.options<tfl::ReducerOptions>().keep_dims ? 1 : 0;
  return {w.node(w.word(), {w.in(0), w.integers(std::move(axes))}, {{"keepdims", keep}})};
}

Ids reduce_flags(OpWriter& w) {
  const int64_t rank = w.rank_in(0);
  Ints axes = w.ints_in(1, "axes");
  for (int64_t& axis : axes) axis = w.axis(axis, rank);
  if (axes.empty()) return {w.in(0)};
  const int64_t keep = w.options<tfl::ReducerOptions>().keep_dims ? 1 : 0;
  const ValueId numbers = w.cast(w.in(0), DType::f32);
  const ValueId made =
      w.node(w.word(), {numbers, w.integers(std::move(axes))}, {{"keepdims", keep}});
  return {w.cast(made, DType::boolean)};
}

Ids arg_extreme(OpWriter& w) {
  const int64_t axis = w.axis(w.int_in(1, "axis"), w.rank_in(0));
  return {w.node(w.word(), {w.in(0)}, {{"axis", axis}, {"keepdims", int64_t{0}}})};
}

Ids cumsum(OpWriter& w) {
  const auto options = w.options<tfl::CumsumOptions>();
  const int64_t axis = w.axis(w.int_in(1, "axis"), w.rank_in(0));
  return {w.node("CumSum", {w.in(0), w.integer(axis)},
                 {{"exclusive", int64_t{options.exclusive ? 1 : 0}},
                  {"reverse", int64_t{options.reverse ? 1 : 0}}})};
}

}  // namespace

std::vector<OpRecipe> math_recipes() {
  return {{Op::ABS, unary, "Abs"},
          {Op::ADD, activated_binary<tfl::AddOptions>, "Add"},
          {Op::ADD_N, add_n},
          {Op::ARG_MAX, arg_extreme, "ArgMax"},
          {Op::ARG_MIN, arg_extreme, "ArgMin"},
          {Op::CAST, cast},
          {Op::CEIL, unary, "Ceil"},
          {Op::COS, unary, "Cos"},
          {Op::CUMSUM, cumsum},
          {Op::DEQUANTIZE, unchanged},
          {Op::DIV, activated_binary<tfl::DivOptions>, "Div"},
          {Op::ELU, unary, "Elu"},
          {Op::EQUAL, binary, "Equal"},
          {Op::EXP, unary, "Exp"},
          {Op::FLOOR, unary, "Floor"},
          {Op::FLOOR_DIV, floor_div},
          {Op::FLOOR_MOD, floor_mod},
          {Op::GELU, gelu},
          {Op::GREATER, binary, "Greater"},
          {Op::GREATER_EQUAL, binary, "GreaterOrEqual"},
          {Op::HARD_SWISH, unary, "HardSwish"},
          {Op::L2_NORMALIZATION, l2_normalization},
          {Op::LEAKY_RELU, leaky_relu},
          {Op::LESS, binary, "Less"},
          {Op::LESS_EQUAL, binary, "LessOrEqual"},
          {Op::LOG, unary, "Log"},
          {Op::LOGICAL_AND, binary, "And"},
          {Op::LOGICAL_NOT, unary, "Not"},
          {Op::LOGICAL_OR, binary, "Or"},
          {Op::LOGISTIC, unary, "Sigmoid"},
          {Op::LOG_SOFTMAX, log_softmax},
          {Op::MAXIMUM, binary, "Max"},
          {Op::MEAN, reduce, "ReduceMean"},
          {Op::MINIMUM, binary, "Min"},
          {Op::MUL, activated_binary<tfl::MulOptions>, "Mul"},
          {Op::NEG, unary, "Neg"},
          {Op::NOT_EQUAL, not_equal},
          {Op::POW, binary, "Pow"},
          {Op::PRELU, binary, "PRelu"},
          {Op::QUANTIZE, unchanged},
          {Op::REDUCE_ALL, reduce_flags, "ReduceMin"},
          {Op::REDUCE_ANY, reduce_flags, "ReduceMax"},
          {Op::REDUCE_MAX, reduce, "ReduceMax"},
          {Op::REDUCE_MIN, reduce, "ReduceMin"},
          {Op::REDUCE_PROD, reduce, "ReduceProd"},
          {Op::RELU, unary, "Relu"},
          {Op::RELU6, relu6},
          {Op::RELU_0_TO_1, relu_0_to_1},
          {Op::RELU_N1_TO_1, relu_n1_to_1},
          {Op::ROUND, unary, "Round"},
          {Op::RSQRT, rsqrt},
          {Op::SIGN, unary, "Sign"},
          {Op::SIN, unary, "Sin"},
          {Op::SOFTMAX, softmax},
          {Op::SQRT, unary, "Sqrt"},
          {Op::SQUARE, square},
          {Op::SQUARED_DIFFERENCE, squared_difference},
          {Op::SUB, activated_binary<tfl::SubOptions>, "Sub"},
          {Op::SUM, reduce, "ReduceSum"},
          {Op::TANH, unary, "Tanh"}};
}

}  // namespace heed::tflite
