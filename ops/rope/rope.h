#pragma once
// Rotary positions: pairs of values of each head are turned by an angle that grows with the row's
// position and shrinks along the head.
//
//   (y0, y1) = (x0 cos - x1 sin, x1 cos + x0 sin)
//   y0 = fma(x0, cos, -(x1 * sin)), y1 = fma(x1, cos, x0 * sin)
//
// The first R = 2 * half of a head's D values are turned; pair i is (i, i + half), or (2i, 2i + 1)
// where interleaved. The rest is copied. Row m takes row m of `angles`: half cosines, then half
// sines.

#include <stddef.h>
#include <stdint.h>

#include "ops/isa.h"

namespace heed {

struct RopeArgs {
  const float* x;  // rows of heads * head_width values, x_step floats apart
  ptrdiff_t x_step;
  float* y;  // may not overlap x
  ptrdiff_t y_step;
  const float* angles;  // of the first row; rows lie 2 * half floats apart
  int32_t rows;
  int32_t heads;
  int32_t head_width;
  int32_t half;  // 2 * half <= head_width
  bool interleaved;
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct RopeKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  void (*rotate)(const RopeArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct RopeKernelList {
  const RopeKernel* const* items;
  size_t count;
};
RopeKernelList rope_kernels();

}  // namespace heed
