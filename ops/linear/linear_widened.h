#pragma once
// Rows widened to 16 bits, for the x86 variants without VNNI: vpmaddwd multiplies 16-bit integers
// and adds neighbours without any rounding.

#include <immintrin.h>

#include "ops/linear/linear_tile.h"

namespace heed {
namespace {

void copy_widened(const int8_t* x, ptrdiff_t x_step, int32_t rows, ptrdiff_t k_padded,
                  int16_t* out) {
  for (int32_t m = 0; m < rows; ++m) {
    for (ptrdiff_t k = 0; k < k_padded; k += 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + k));
      _mm256_store_si256(reinterpret_cast<__m256i*>(out + k), _mm256_cvtepi8_epi16(v));
    }
    x += x_step;
    out += k_padded;
  }
}

/// All tiles of a call. Widened rows take twice their bytes, so the scratch holds at most half of
/// the rows: a call with more does them in two parts.
template <class TilesT>
void run_widened(const TilesT& tiles, const LinearArgs& args, int32_t n_begin, int32_t n_end,
                 void* scratch) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  const int32_t rows = args.rows > kLinearRowsMax / 2 ? (args.rows + 1) / 2 : args.rows;
  int16_t* x = static_cast<int16_t*>(scratch);
  LinearArgs part = args;
  for (int32_t m = 0; m < args.rows; m += rows) {
    part.rows = args.rows - m < rows ? args.rows - m : rows;
    part.x_scale = args.x_scale + m * args.x_scale_step;
    part.y = args.y + m * args.y_step;
    copy_widened(args.x + m * args.x_step, args.x_step, part.rows, k_padded, x);
    run_tiles(tiles, part, reinterpret_cast<const uint8_t*>(x), k_padded * 2, part.rows, n_begin,
              n_end);
  }
}

}  // namespace
}  // namespace heed
