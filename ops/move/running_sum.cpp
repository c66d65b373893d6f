#include "ops/move/running_sum.h"

#include <type_traits>

namespace heed {
namespace {

template <class T>
T add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Bits = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<Bits>(a) + static_cast<Bits>(b));
  } else {
    return a + b;
  }
}

}  // namespace

template <class T>
void running_sum(const T* x, T* y, const RunningSumArgs& args) {
  const int64_t plane = args.n * args.inner;
  for (int64_t o = 0; o < args.outer; ++o) {
    for (int64_t j = 0; j < args.inner; ++j) {
      const T* from = x + o * plane + j;
      T* to = y + o * plane + j;
      T sum{};
      for (int64_t i = 0; i < args.n; ++i) {
        const int64_t at = (args.reverse ? args.n - 1 - i : i) * args.inner;
        const T next = add(sum, from[at]);
        to[at] = args.exclusive ? sum : next;
        sum = next;
      }
    }
  }
}

template void running_sum(const float*, float*, const RunningSumArgs&);
template void running_sum(const int32_t*, int32_t*, const RunningSumArgs&);
template void running_sum(const int64_t*, int64_t*, const RunningSumArgs&);

}  // namespace heed
