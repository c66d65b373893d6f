#pragma once
// Running sums along the middle dimension of x[outer, n, inner], in order, plainly added.

#include <stdint.h>

namespace heed {

struct RunningSumArgs {
  int64_t outer, n, inner;
  bool exclusive;  // y[i] does not count x[i] itself
  bool reverse;    // from the end
};

/// T: float, int32_t or int64_t; integers wrap around. x and y do not overlap.
template <class T>
void running_sum(const T* x, T* y, const RunningSumArgs& args);

extern template void running_sum(const float*, float*, const RunningSumArgs&);
extern template void running_sum(const int32_t*, int32_t*, const RunningSumArgs&);
extern template void running_sum(const int64_t*, int64_t*, const RunningSumArgs&);

}  // namespace heed
