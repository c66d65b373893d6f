#include "ops/move/cast.h"

#include <limits>
#include <type_traits>

namespace heed {
namespace {

struct Boolean {
  uint8_t value;
};

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<From, Boolean>) {
    if constexpr (std::is_same_v<To, Boolean>) {
      return x;
    } else {
      return static_cast<To>(x.value);
    }
  } else if constexpr (std::is_same_v<To, Boolean>) {
    return Boolean{static_cast<uint8_t>(x != From{0})};
  } else if constexpr (std::is_same_v<From, float> && std::is_integral_v<To>) {
    // The float above the largest value of To is exact for every To.
    constexpr float kLowest = static_cast<float>(std::numeric_limits<To>::lowest());
    constexpr float kAbove = 2.0f * static_cast<float>(std::numeric_limits<To>::max() / 2 + 1);
    if (x != x) return 0;
    if (x <= kLowest) return std::numeric_limits<To>::lowest();
    if (x >= kAbove) return std::numeric_limits<To>::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void cast_run(const void* x, void* y, int64_t n) {
  const auto* from = static_cast<const From*>(x);
  auto* to = static_cast<To*>(y);
  for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
}

template <class From>
void cast_from(const void* x, void* y, CastType to, int64_t n) {
  switch (to) {
    case CastType::f32:
      return cast_run<From, float>(x, y, n);
    case CastType::i32:
      return cast_run<From, int32_t>(x, y, n);
    case CastType::i64:
      return cast_run<From, int64_t>(x, y, n);
    case CastType::i8:
      return cast_run<From, int8_t>(x, y, n);
    case CastType::u8:
      return cast_run<From, uint8_t>(x, y, n);
    case CastType::boolean:
      return cast_run<From, Boolean>(x, y, n);
  }
}

}  // namespace

void cast_elements(const void* x, CastType from, void* y, CastType to, int64_t n) {
  switch (from) {
    case CastType::f32:
      return cast_from<float>(x, y, to, n);
    case CastType::i32:
      return cast_from<int32_t>(x, y, to, n);
    case CastType::i64:
      return cast_from<int64_t>(x, y, to, n);
    case CastType::i8:
      return cast_from<int8_t>(x, y, to, n);
    case CastType::u8:
      return cast_from<uint8_t>(x, y, to, n);
    case CastType::boolean:
      return cast_from<Boolean>(x, y, to, n);
  }
}

}  // namespace heed
