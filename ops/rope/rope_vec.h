#pragma once
// Rotary positions over F32x16; include after vec_<isa>.h.

#include "ops/rope/rope.h"

namespace heed {
namespace {

inline void rotate_pair(F32x16 x0, F32x16 x1, F32x16 cosine, F32x16 sine, F32x16* y0, F32x16* y1) {
  *y0 = fma(x0, cosine, neg(x1 * sine));
  *y1 = fma(x1, cosine, x0 * sine);
}

/// Pairs (i, i + half).
inline void rotate_halves(const float* x, const float* angles, int32_t half, float* y) {
  int32_t i = 0;
  F32x16 y0, y1;
  for (; i + 16 <= half; i += 16) {
    rotate_pair(load(x + i), load(x + half + i), load(angles + i), load(angles + half + i), &y0,
                &y1);
    store(y + i, y0);
    store(y + half + i, y1);
  }
  if (i < half) {
    const int32_t n = half - i;
    rotate_pair(load_partial(x + i, n), load_partial(x + half + i, n), load_partial(angles + i, n),
                load_partial(angles + half + i, n), &y0, &y1);
    store_partial(y + i, y0, n);
    store_partial(y + half + i, y1, n);
  }
}

/// Pairs (2i, 2i + 1): rare, and a head's width of scalar instructions.
inline void rotate_neighbours(const float* x, const float* angles, int32_t half, float* y) {
  for (int32_t i = 0; i < half; ++i) {
    const float x0 = x[2 * i], x1 = x[2 * i + 1], cosine = angles[i], sine = angles[half + i];
    y[2 * i] = __builtin_fmaf(x0, cosine, -(x1 * sine));
    y[2 * i + 1] = __builtin_fmaf(x1, cosine, x0 * sine);
  }
}

void rotate(const RopeArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* angles = args.angles + ptrdiff_t{m} * 2 * args.half;
    for (int32_t h = 0; h < args.heads; ++h) {
      const float* x = args.x + m * args.x_step + ptrdiff_t{h} * args.head_width;
      float* y = args.y + m * args.y_step + ptrdiff_t{h} * args.head_width;
      if (args.interleaved) {
        rotate_neighbours(x, angles, args.half, y);
      } else {
        rotate_halves(x, angles, args.half, y);
      }
      for (int32_t i = 2 * args.half; i < args.head_width; ++i) y[i] = x[i];
    }
  }
}

}  // namespace
}  // namespace heed
