#pragma once
// Conversions between the graph's element types; the results that ONNX leaves open are fixed here.

#include <cmath>
#include <cstdint>
#include <vector>

#include "converter/graph/op_call.h"

namespace heed::graph {

/// Towards zero; NaN is 0, and what lies outside int64 is the nearest end.
inline int64_t to_integer(float x) {
  if (std::isnan(x)) return 0;
  if (x >= 9223372036854775808.0f) return INT64_MAX;
  if (x <= -9223372036854775808.0f) return INT64_MIN;
  return static_cast<int64_t>(x);
}

/// An operand's elements as floats, whatever it holds.
inline std::vector<float> as_floats(const Operand& operand) {
  if (operand.dtype == DType::f32) return operand.value->f32;
  return std::vector<float>(operand.value->i64.begin(), operand.value->i64.end());
}

// Integer arithmetic that wraps instead of being undefined.
inline int64_t wrapping_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t wrapping_subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t wrapping_multiply(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
/// Towards zero; divided by 0 it is 0, as the run-time op has to give something too.
inline int64_t safe_divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  return b == -1 ? wrapping_subtract(0, a) : a / b;
}
inline int64_t safe_remainder(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }

}  // namespace heed::graph
