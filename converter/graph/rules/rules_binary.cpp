// Ops whose operands broadcast against each other.

#include <algorithm>
#include <cmath>

#include "converter/graph/rules/element_types.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

void need_same_type(const OpCall& call, size_t a, size_t b) {
  if (call.in(a).dtype != call.in(b).dtype) call.fail("the operands have different types");
  call.need(call.in(a).dtype != DType::string, "strings are not supported");
}

void infer_arithmetic(OpCall& call) {
  need_same_type(call, 0, 1);
  call.result(0, call.in(0).dtype, broadcast_shapes(call, call.shape(0), call.shape(1)));
}

void infer_pow(OpCall& call) {  // base and exponent may differ in type
  call.result(0, call.in(0).dtype, broadcast_shapes(call, call.shape(0), call.shape(1)));
}

void infer_compare(OpCall& call) {
  need_same_type(call, 0, 1);
  call.result(0, DType::boolean, broadcast_shapes(call, call.shape(0), call.shape(1)));
}

void infer_logic(OpCall& call) {
  call.need_dtype(0, DType::boolean);
  infer_compare(call);
}

template <class F, class G>
void arithmetic(OpCall& call, F on_floats, G on_integers) {
  const Shape &a = call.shape(0), &b = call.shape(1), &out = call.results[0].shape;
  if (call.in(0).dtype == DType::f32) {
    broadcast_binary(call.f32(0).data(), a, call.f32(1).data(), b, out, call.y().data(), on_floats);
  } else {
    broadcast_binary(call.i64(0).data(), a, call.i64(1).data(), b, out, call.yi().data(),
                     on_integers);
  }
}

void evaluate_add(OpCall& call) {
  arithmetic(
      call, [](float a, float b) { return a + b; }, wrapping_add);
}
void evaluate_sub(OpCall& call) {
  arithmetic(
      call, [](float a, float b) { return a - b; }, wrapping_subtract);
}
void evaluate_mul(OpCall& call) {
  arithmetic(
      call, [](float a, float b) { return a * b; }, wrapping_multiply);
}
void evaluate_div(OpCall& call) {
  arithmetic(
      call, [](float a, float b) { return a / b; }, safe_divide);
}
void evaluate_prelu(OpCall& call) {
  arithmetic(
      call, [](float x, float slope) { return x < 0 ? slope * x : x; },
      [](int64_t x, int64_t slope) { return x < 0 ? wrapping_multiply(slope, x) : x; });
}

void evaluate_mod(OpCall& call) {
  if (call.node.int_or("fmod", 0) != 0) {  // the sign of the dividend
    return arithmetic(
        call, [](float a, float b) { return std::fmod(a, b); }, safe_remainder);
  }
  arithmetic(  // the sign of the divisor
      call, [](float a, float b) { return a - b * std::floor(a / b); },
      [](int64_t a, int64_t b) {
        const int64_t rest = safe_remainder(a, b);
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      });
}

int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  int64_t power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) power = wrapping_multiply(power, base);
    base = wrapping_multiply(base, base);
  }
  return power;
}

void evaluate_pow(OpCall& call) {
  const Shape &a = call.shape(0), &b = call.shape(1), &out = call.results[0].shape;
  if (call.in(0).dtype != DType::f32 && call.in(1).dtype != DType::f32) {
    return broadcast_binary(call.i64(0).data(), a, call.i64(1).data(), b, out, call.yi().data(),
                            integer_power);
  }
  const std::vector<float> base = as_floats(call.in(0)), exponent = as_floats(call.in(1));
  auto power = [](float x, float e) { return e == 2.0f ? x * x : std::pow(x, e); };
  if (call.in(0).dtype == DType::f32) {
    broadcast_binary(base.data(), a, exponent.data(), b, out, call.y().data(), power);
  } else {
    broadcast_binary(base.data(), a, exponent.data(), b, out, call.yi().data(),
                     [&](float x, float e) { return to_integer(power(x, e)); });
  }
}

template <class F>
void compare(OpCall& call, F holds) {
  const Shape &a = call.shape(0), &b = call.shape(1), &out = call.results[0].shape;
  if (call.in(0).dtype == DType::f32) {
    broadcast_binary(call.f32(0).data(), a, call.f32(1).data(), b, out, call.yi().data(),
                     [=](float x, float y) { return static_cast<int64_t>(holds(x, y)); });
  } else {
    broadcast_binary(call.i64(0).data(), a, call.i64(1).data(), b, out, call.yi().data(),
                     [=](int64_t x, int64_t y) { return static_cast<int64_t>(holds(x, y)); });
  }
}

void evaluate_equal(OpCall& call) {
  compare(call, [](auto a, auto b) { return a == b; });
}
void evaluate_less(OpCall& call) {
  compare(call, [](auto a, auto b) { return a < b; });
}
void evaluate_less_or_equal(OpCall& call) {
  compare(call, [](auto a, auto b) { return a <= b; });
}
void evaluate_greater(OpCall& call) {
  compare(call, [](auto a, auto b) { return a > b; });
}
void evaluate_greater_or_equal(OpCall& call) {
  compare(call, [](auto a, auto b) { return a >= b; });
}
void evaluate_and(OpCall& call) {
  compare(call, [](auto a, auto b) { return a != 0 && b != 0; });
}
void evaluate_or(OpCall& call) {
  compare(call, [](auto a, auto b) { return a != 0 || b != 0; });
}
void evaluate_xor(OpCall& call) {
  compare(call, [](auto a, auto b) { return (a != 0) != (b != 0); });
}

// -- any number of operands: Sum, Mean, Max, Min

void infer_variadic(OpCall& call) {
  Shape out = call.shape(0);
  for (size_t i = 1; i < call.operands.size(); ++i) {
    need_same_type(call, 0, i);
    out = broadcast_shapes(call, out, call.shape(i));
  }
  call.result(0, call.in(0).dtype, out);
}

template <class F, class G>
void variadic(OpCall& call, F on_floats, G on_integers) {
  const Shape& out = call.results[0].shape;
  const bool floats = call.in(0).dtype == DType::f32;
  const std::vector<int64_t> steps = broadcast_strides(call.shape(0), out);
  if (floats) {
    copy_strided(call.f32(0).data(), out, steps, call.y().data());
  } else {
    copy_strided(call.i64(0).data(), out, steps, call.yi().data());
  }
  for (size_t i = 1; i < call.operands.size(); ++i) {
    if (floats) {
      broadcast_binary(call.y().data(), out, call.f32(i).data(), call.shape(i), out,
                       call.y().data(), on_floats);
    } else {
      broadcast_binary(call.yi().data(), out, call.i64(i).data(), call.shape(i), out,
                       call.yi().data(), on_integers);
    }
  }
}

void evaluate_sum(OpCall& call) {
  variadic(
      call, [](float a, float b) { return a + b; }, wrapping_add);
}

void evaluate_mean(OpCall& call) {
  evaluate_sum(call);
  const float count = static_cast<float>(call.operands.size());
  for (float& y : call.y()) y /= count;
}

void evaluate_max(OpCall& call) {  // a NaN wins, as in NumPy
  variadic(
      call, [](float a, float b) { return std::isnan(a) || a > b ? a : b; },
      [](int64_t a, int64_t b) { return std::max(a, b); });
}

void evaluate_min(OpCall& call) {
  variadic(
      call, [](float a, float b) { return std::isnan(a) || a < b ? a : b; },
      [](int64_t a, int64_t b) { return std::min(a, b); });
}

void infer_where(OpCall& call) {
  call.need_dtype(0, DType::boolean);
  need_same_type(call, 1, 2);
  const Shape both = broadcast_shapes(call, call.shape(1), call.shape(2));
  call.result(0, call.in(1).dtype, broadcast_shapes(call, call.shape(0), both));
}

template <class T>
void choose(const OpCall& call, const T* a, const T* b, T* y) {
  const Shape& out = call.results[0].shape;
  const int64_t* condition = call.i64(0).data();
  walk<3>(out,
          {broadcast_strides(call.shape(0), out), broadcast_strides(call.shape(1), out),
           broadcast_strides(call.shape(2), out)},
          [&](int64_t first, int64_t count, const auto& at, const auto& steps) {
            for (int64_t i = 0; i < count; ++i) {
              y[first + i] = condition[at[0] + i * steps[0]] != 0 ? a[at[1] + i * steps[1]]
                                                                  : b[at[2] + i * steps[2]];
            }
          });
}

void evaluate_where(OpCall& call) {
  if (call.in(1).dtype == DType::f32) {
    choose(call, call.f32(1).data(), call.f32(2).data(), call.y().data());
  } else {
    choose(call, call.i64(1).data(), call.i64(2).data(), call.yi().data());
  }
}

constexpr OpRule kBinaryRules[] = {
    {"", "Add", infer_arithmetic, evaluate_add},
    {"", "And", infer_logic, evaluate_and},
    {"", "Div", infer_arithmetic, evaluate_div},
    {"", "Equal", infer_compare, evaluate_equal},
    {"", "Greater", infer_compare, evaluate_greater},
    {"", "GreaterOrEqual", infer_compare, evaluate_greater_or_equal},
    {"", "Less", infer_compare, evaluate_less},
    {"", "LessOrEqual", infer_compare, evaluate_less_or_equal},
    {"", "Max", infer_variadic, evaluate_max},
    {"", "Mean", infer_variadic, evaluate_mean},
    {"", "Min", infer_variadic, evaluate_min},
    {"", "Mod", infer_arithmetic, evaluate_mod},
    {"", "Mul", infer_arithmetic, evaluate_mul},
    {"", "Or", infer_logic, evaluate_or},
    {"", "PRelu", infer_arithmetic, evaluate_prelu},
    {"", "Pow", infer_pow, evaluate_pow},
    {"", "Sub", infer_arithmetic, evaluate_sub},
    {"", "Sum", infer_variadic, evaluate_sum},
    {"", "Where", infer_where, evaluate_where},
    {"", "Xor", infer_logic, evaluate_xor},
};

}  // namespace

std::span<const OpRule> binary_rules() { return kBinaryRules; }

}  // namespace heed::graph
