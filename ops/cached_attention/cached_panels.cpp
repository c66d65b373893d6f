#include "ops/cached_attention/cached_panels.h"

#include <string.h>

namespace heed {
namespace {

constexpr ptrdiff_t kGroupStep = 4 * kCachedPanelRows;

typedef int8_t Bytes __attribute__((vector_size(16)));
typedef int16_t Pairs __attribute__((vector_size(16)));
typedef int32_t Words __attribute__((vector_size(16)));

/// Four keys: their groups of four values go side by side, keys of a block kGroupStep apart.
void put_four_keys(const int8_t* from, ptrdiff_t step, int32_t width, int8_t* to) {
  for (int32_t i = 0; i < width; i += 16, to += 4 * kGroupStep) {
    Words row[4];
    for (int32_t r = 0; r < 4; ++r) memcpy(&row[r], from + r * step + i, 16);
    const Words low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
    const Words low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
    const Words high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
    const Words high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
    const Words group[4] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                            __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                            __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                            __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
    for (int32_t g = 0; g < 4; ++g) memcpy(to + g * kGroupStep, &group[g], 16);
  }
}

void put_keys(const CachedRows& rows, int32_t first, int8_t* panel) {
  const auto row_of = [&](int32_t s) {
    return panel + ptrdiff_t{s / kCachedPanelRows} * kCachedPanelRows * rows.width +
           s % kCachedPanelRows * 4;
  };
  for (int32_t r = 0; r < rows.rows;) {
    const int8_t* from = rows.q + r * rows.step;
    int8_t* to = row_of(first + r);
    if ((first + r) % 4 == 0 && r + 4 <= rows.rows) {
      put_four_keys(from, rows.step, rows.width, to);
      r += 4;
      continue;
    }
    for (int32_t i = 0; i < rows.width; i += 4, to += kGroupStep) memcpy(to, from + i, 4);
    ++r;
  }
}

Bytes zip_low(Bytes a, Bytes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
Bytes zip_high(Bytes a, Bytes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}

/// Four rows: the bytes of each column meet.
void put_four_rows(const int8_t* from, ptrdiff_t step, int32_t width, int8_t* to) {
  for (int32_t i = 0; i < width; i += 16, to += 64) {
    Bytes row[4];
    for (int32_t r = 0; r < 4; ++r) memcpy(&row[r], from + r * step + i, 16);
    const Bytes pairs[4] = {zip_low(row[0], row[1]), zip_low(row[2], row[3]),
                            zip_high(row[0], row[1]), zip_high(row[2], row[3])};
    for (int32_t half = 0; half < 2; ++half) {
      const auto a = reinterpret_cast<Pairs>(pairs[2 * half]);
      const auto b = reinterpret_cast<Pairs>(pairs[2 * half + 1]);
      const Pairs fours[2] = {__builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11),
                              __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)};
      memcpy(to + 32 * half, fours, 32);
    }
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
  for (; r + 4 <= rows.rows; r += 4) {
    const int8_t* from = rows.q + r * rows.step;
    int8_t* to = row_of(first + r);
    put_four_rows(from, rows.step, rows.width, to);
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
