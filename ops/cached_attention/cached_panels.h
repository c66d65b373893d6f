#pragma once
// How a cache holds the int8 keys or values of one head, so that a step reads them from one end to
// the other and multiplies what it reads as it lies. A panel of capacity C, a multiple of
// kCachedPanelRows, and width W is
//
//   keys    int8 [C/16][W/4][16][4]: four neighbours of a key meet in 32 bits, 16 keys in a row
//   values  int8 [C/4][W][4]: four neighbouring keys' values of a column meet
//
// with a float scale for each key: x[s,i] = scale[s] * q[s,i], q in -127 .. 127.

#include <stddef.h>
#include <stdint.h>

namespace heed {

inline constexpr int32_t kCachedPanelRows = 16;

enum class CachedPart { keys, values };

/// Rows that enter a panel of W columns, or leave it: element i of row r is q[r * step + i].
struct CachedRows {
  const int8_t* q;  // any alignment
  ptrdiff_t step;   // bytes
  int32_t rows;
  int32_t width;  // W, a multiple of 16
};

/// Rows become those of the keys first .. first + rows - 1 of a panel; its others stay.
void put_cached_rows(CachedPart part, const CachedRows& rows, int32_t first, int8_t* panel);

/// y[s * y_step + i] = scale[s] * q[s,i] of the keys 0 .. keys-1 of a panel of `width` columns.
void read_cached_rows(CachedPart part, const int8_t* panel, const float* scale, int32_t keys,
                      int32_t width, float* y, ptrdiff_t y_step);

}  // namespace heed
