#pragma once
// The shape that the row families share: a panel of float rows in, a panel of float rows out.
//
// Everything a row kernel computes is the same on every ISA, bit for bit: sums run in the 16-lane
// order (lane l takes elements l, l+16, l+32, ... in order, then lanes fold 8, 4, 2, 1 apart),
// multiply and add are fused exactly where the reference says std::fma, division and square root
// are IEEE, floats become integers by rounding to nearest even. Two exceptions: NaN bits are
// whatever the machine makes of them, and armv7 NEON flushes denormal inputs and results to zero.

#include <stddef.h>
#include <stdint.h>

namespace heed {

struct RowsArgs {
  const float* x;  // rows x_step floats apart; any alignment; only n values of a row are read
  ptrdiff_t x_step;
  float* y;  // rows y_step floats apart; may equal x (same step) but not overlap it otherwise
  ptrdiff_t y_step;
  int32_t rows;   // >= 0
  int32_t n;      // values per row, >= 1
  float* absmax;  // [rows] largest |y| of each row, for a quantise that follows; null: not wanted
};

}  // namespace heed
