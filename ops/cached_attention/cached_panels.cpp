#include "ops/cached_attention/cached_panels.h"

#include <string.h>

namespace heed {
namespace {

void put_keys(const CachedRows& rows, int32_t first, int8_t* panel) {
  for (int32_t r = 0; r < rows.rows; ++r) {
    const int8_t* from = rows.q + r * rows.step;
    const int32_t s = first + r;
    int8_t* to = panel + ptrdiff_t{s / kCachedPanelRows} * kCachedPanelRows * rows.width +
                 s % kCachedPanelRows * 4;
    for (int32_t i = 0; i < rows.width; i += 4, to += 4 * kCachedPanelRows) memcpy(to, from + i, 4);
  }
}

void put_values(const CachedRows& rows, int32_t first, int8_t* panel) {
  const auto row_of = [&](int32_t s) { return panel + ptrdiff_t{s / 4} * 4 * rows.width + s % 4; };
  int32_t r = 0;
  const auto put_one = [&] {
    const int8_t* from = rows.q + r * rows.step;
    int8_t* to = row_of(first + r++);
    for (int32_t i = 0; i < rows.width; ++i) to[4 * i] = from[i];
  };
  while (r < rows.rows && (first + r) % 4 != 0) put_one();
  for (; r + 4 <= rows.rows; r += 4) {  // whole words
    const int8_t* from = rows.q + r * rows.step;
    int8_t* to = row_of(first + r);
    for (int32_t i = 0; i < rows.width; ++i) {
      for (int32_t j = 0; j < 4; ++j) to[4 * i + j] = from[j * rows.step + i];
    }
  }
  while (r < rows.rows) put_one();
}

}  // namespace

void put_cached_rows(CachedPart part, const CachedRows& rows, int32_t first, int8_t* panel) {
  part == CachedPart::keys ? put_keys(rows, first, panel) : put_values(rows, first, panel);
}

void read_cached_rows(CachedPart part, const int8_t* panel, const float* scale, int32_t keys,
                      int32_t width, float* y, ptrdiff_t y_step) {
  // Of neighbours in a word and of neighbouring words; a block holds so many keys.
  const bool is_keys = part == CachedPart::keys;
  const int32_t block_keys = is_keys ? kCachedPanelRows : 4;
  for (int32_t s = 0; s < keys; ++s, y += y_step) {
    const int8_t* block = panel + ptrdiff_t{s / block_keys} * block_keys * width;
    const int32_t in_block = s % block_keys;
    for (int32_t i = 0; i < width; ++i) {
      const int32_t at =
          is_keys ? i / 4 * 4 * kCachedPanelRows + in_block * 4 + i % 4 : 4 * i + in_block;
      y[i] = scale[s] * static_cast<float>(block[at]);
    }
  }
}

}  // namespace heed
