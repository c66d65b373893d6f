#pragma once
// y[m,i] = f(x[m,i], i) over a panel, with the largest |y| per row; include after vec_<isa>.h.
// `f(v, i, n)` gets sixteen values and their column; n < 16 in the last block of a row.

#include "ops/rows.h"

namespace heed {
namespace {

template <class F>
inline void map_rows(RowsArgs args, F f) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    float* y = args.y + m * args.y_step;
    F32x16 absmax = set1(0.0f);
    int32_t i = 0;
    for (; i + 16 <= args.n; i += 16) {
      const F32x16 v = f(load(x + i), i, 16);
      store(y + i, v);
      absmax = max_abs(absmax, v);
    }
    if (i < args.n) {
      const int32_t left = args.n - i;
      const F32x16 v = f(load_partial(x + i, left), i, left);
      store_partial(y + i, v, left);
      absmax = max_abs(absmax, select(first_lanes(left), v, set1(0.0f)));
    }
    if (args.absmax != nullptr) args.absmax[m] = max(absmax);
  }
}

}  // namespace
}  // namespace heed
