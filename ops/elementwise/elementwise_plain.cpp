// Integers and booleans: one implementation for every ISA.
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "ops/elementwise/elementwise.h"

namespace heed {
namespace {

/// Arithmetic on the unsigned type wraps around instead of overflowing.
template <class T>
using Unsigned = std::make_unsigned_t<T>;

template <class T>
T wrapping_power(T base, T exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  Unsigned<T> result = 1, square = static_cast<Unsigned<T>>(base);
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 != 0) result *= square;
    square *= square;
  }
  return static_cast<T>(result);
}

template <class T>
T quotient(T a, T b) {
  if (b == 0) return 0;
  if (b == -1) return static_cast<T>(0 - static_cast<Unsigned<T>>(a));
  return a / b;
}

/// With the sign of b.
template <class T>
T remainder(T a, T b) {
  if (b == 0 || b == -1) return 0;
  const T r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

template <class T>
T binary_value(T a, T b, BinaryKind kind) {
  const auto ua = static_cast<Unsigned<T>>(a), ub = static_cast<Unsigned<T>>(b);
  switch (kind) {
    case BinaryKind::add:
      return static_cast<T>(ua + ub);
    case BinaryKind::sub:
      return static_cast<T>(ua - ub);
    case BinaryKind::mul:
      return static_cast<T>(ua * ub);
    case BinaryKind::div:
      return quotient(a, b);
    case BinaryKind::pow:
      return wrapping_power(a, b);
    case BinaryKind::min:
      return a < b ? a : b;
    case BinaryKind::max:
      return a > b ? a : b;
    case BinaryKind::mod:
      return remainder(a, b);
    default:
      return 0;
  }
}

template <class T>
bool compare_value(T a, T b, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::less:
      return a < b;
    case BinaryKind::less_equal:
      return a <= b;
    case BinaryKind::greater:
      return a > b;
    case BinaryKind::greater_equal:
      return a >= b;
    default:
      return a == b;
  }
}

template <class T>
T unary_value(T x, UnaryKind kind) {
  const auto negated = static_cast<T>(0 - static_cast<Unsigned<T>>(x));
  switch (kind) {
    case UnaryKind::neg:
      return negated;
    case UnaryKind::abs:
      return x < 0 ? negated : x;
    case UnaryKind::sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryKind::relu:
      return x > 0 ? x : 0;
    default:
      return x;
  }
}

bool logical_value(bool a, bool b, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::logical_and:
      return a && b;
    case BinaryKind::logical_or:
      return a || b;
    case BinaryKind::logical_xor:
      return a != b;
    default:
      return a == b;
  }
}

template <class T, class Y, class F>
void combine(const BinaryRun<T, Y>& args, F f) {
  for (int64_t i = 0; i < args.n; ++i) {
    args.y[i] = f(args.a[i * args.a_step], args.b[i * args.b_step]);
  }
}

template <class T>
void select_typed(const SelectBytesArgs& args) {
  const auto* a = static_cast<const std::byte*>(args.a);
  const auto* b = static_cast<const std::byte*>(args.b);
  auto* y = static_cast<std::byte*>(args.y);
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < args.n; ++i) {
    const bool first = args.condition[i * args.condition_step] != 0;
    T value;
    std::memcpy(&value, first ? a + i * args.a_step * kSize : b + i * args.b_step * kSize, kSize);
    std::memcpy(y + i * kSize, &value, kSize);
  }
}

}  // namespace

void binary_i64(const BinaryRun<int64_t, int64_t>& args, BinaryKind kind) {
  combine(args, [kind](int64_t a, int64_t b) { return binary_value(a, b, kind); });
}
void binary_i32(const BinaryRun<int32_t, int32_t>& args, BinaryKind kind) {
  combine(args, [kind](int32_t a, int32_t b) { return binary_value(a, b, kind); });
}
void compare_i64(const BinaryRun<int64_t, uint8_t>& args, BinaryKind kind) {
  combine(args, [kind](int64_t a, int64_t b) { return compare_value(a, b, kind); });
}
void compare_i32(const BinaryRun<int32_t, uint8_t>& args, BinaryKind kind) {
  combine(args, [kind](int32_t a, int32_t b) { return compare_value(a, b, kind); });
}
void binary_bool(const BinaryRun<uint8_t, uint8_t>& args, BinaryKind kind) {
  combine(args, [kind](uint8_t a, uint8_t b) { return logical_value(a != 0, b != 0, kind); });
}

void unary_i64(const int64_t* x, int64_t* y, int64_t n, UnaryKind kind) {
  for (int64_t i = 0; i < n; ++i) y[i] = unary_value(x[i], kind);
}
void unary_i32(const int32_t* x, int32_t* y, int64_t n, UnaryKind kind) {
  for (int64_t i = 0; i < n; ++i) y[i] = unary_value(x[i], kind);
}
void logical_not(const uint8_t* x, uint8_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] == 0;
}
void is_nan(const float* x, uint8_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] != x[i];
}

void select_bytes(const SelectBytesArgs& args, size_t element_bytes) {
  switch (element_bytes) {
    case 1:
      return select_typed<uint8_t>(args);
    case 4:
      return select_typed<uint32_t>(args);
    case 8:
      return select_typed<uint64_t>(args);
    default:
      return;
  }
}

}  // namespace heed
