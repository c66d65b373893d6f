#pragma once
// What the ARM variants of linear have in common: a tile whose loop over K each of them writes for
// itself, instruction by instruction, and the float end of a tile. Their description D has beside
// what linear_tile.h lists
//
//   kRows                  rows of one X: 1, or 2 where the instruction multiplies 2x8 by 8x2
//   add(columns, group)    the products of one group of K; leaves group.x and group.w at its end
//   row_of<i>(acc)         the sums of the i-th of kRows rows

#include <arm_neon.h>

#include "ops/linear/linear_tile.h"

namespace heed {
namespace {

/// V vectors of floats.
template <int V>
struct Floats {
  float32x4_t v;
  Floats<V - 1> rest;

  [[gnu::always_inline]] inline void load(const float* p) {
    v = vld1q_f32(p);
    rest.load(p + 4);
  }
};
template <>
struct Floats<0> {
  [[gnu::always_inline]] inline void load(const float*) {}
};

/// Where a tile's results come from and go to.
struct TileEnd {
  const float* x_scale;
  ptrdiff_t x_scale_step;
  const float* w_scale;
  const float* bias;
  float* y;
  ptrdiff_t y_step;
};

/// One group of K of a tile.
struct TileGroup {
  const uint8_t* x;
  ptrdiff_t x_step;
  const int8_t* w;
  ptrdiff_t block_bytes;  // from a block of outputs to the next
  int32_t width;
};

template <int Row, bool kFirst, class D, int R, int V, int At>
[[gnu::always_inline]] inline void finish_row(Columns<D, R, V, At>& columns, float x_scale,
                                              const Floats<V - At>& w_scale,
                                              const Floats<V - At>& bias, float* y) {
  const int32x4_t sums =
      D::template row_of<Row % D::kRows>(sums_at<Row / D::kRows>(columns.column));
  const float32x4_t t = kFirst ? bias.v : vld1q_f32(y);
  vst1q_f32(y, vfmaq_f32(t, vcvtq_f32_s32(sums), vmulq_n_f32(w_scale.v, x_scale)));
  if constexpr (At + 1 < V) {
    finish_row<Row, kFirst>(columns.rest, x_scale, w_scale.rest, bias.rest, y + D::kLanes);
  }
}
template <int Row, bool kFirst, class D, int R, int V>
[[gnu::always_inline]] inline void finish_rows(Columns<D, R, V>& columns, const TileEnd& end,
                                               const Floats<V>& w_scale, const Floats<V>& bias) {
  finish_row<Row, kFirst>(columns, end.x_scale[Row * end.x_scale_step], w_scale, bias,
                          end.y + Row * end.y_step);
  if constexpr (Row + 1 < R * D::kRows) {
    finish_rows<Row + 1, kFirst>(columns, end, w_scale, bias);
  }
}

/// The float end of a tile, row by row: the outputs' scales and the bias are loaded once. kFirst:
/// of the first group of K.
template <bool kFirst, class D, int R, int V>
[[gnu::always_inline]] inline void finish_tile(Columns<D, R, V>& columns, const TileEnd& end) {
  Floats<V> w_scale, bias = {};
  w_scale.load(end.w_scale);
  if constexpr (kFirst) bias.load(end.bias);
  finish_rows<0, kFirst>(columns, end, w_scale, bias);
}

/// R times kRows rows by V times kLanes outputs, and on to the right.
template <class D, int R, int V>
void arm_tile(const TileArgs& a) {
  constexpr int kBlocks = (V * D::kLanes + kLinearBlockN - 1) / kLinearBlockN;
  TileGroup group = {a.x, a.x_step, a.w, a.block_bytes, a.group_width};
  TileEnd end = {a.x_scale, a.x_scale_step, a.w_scale, a.t, a.y, a.y_step};
  for (int32_t i = 0; i < a.sweep; ++i) {
    group.x = a.x;
    for (int32_t g = 0; g < a.groups; ++g) {
      Columns<D, R, V> columns;
      columns.start(nullptr);
      D::add(columns, group);
      g == 0 ? finish_tile<true>(columns, end) : finish_tile<false>(columns, end);
      end.x_scale += 1;
    }
    group.w += (kBlocks - 1) * group.block_bytes;
    end.x_scale = a.x_scale;
    end.w_scale += kBlocks * kLinearBlockN;
    end.bias += kBlocks * kLinearBlockN;
    end.y += kBlocks * kLinearBlockN;
  }
}

/// The same where the registers hold only V vectors of a block's outputs at a time.
template <class D, int R, int V>
void arm_block_tile(const TileArgs& a) {
  constexpr int kOutputs = V * D::kLanes;
  TileArgs part = a;
  part.sweep = 1;
  for (int32_t i = 0; i < a.sweep; ++i) {
    for (int n = 0; n < kLinearBlockN; n += kOutputs) {
      arm_tile<D, R, V>(part);
      part.w += kOutputs * kLinearGroupK;
      part.w_scale += kOutputs;
      part.t += kOutputs;
      part.y += kOutputs;
    }
    part.w += a.block_bytes - kLinearBlockN * kLinearGroupK;
  }
}

#if defined(__aarch64__)
/// Rows for tiles of up to pairs_max pairs of them, tile by tile; of each eight inputs, those of
/// the first pair's two rows, of the next pair's, ..
inline void copy_paired(const LinearArgs& args, int32_t pairs, int32_t pairs_max,
                        ptrdiff_t k_padded, int8_t* out) {
  const int8_t* x = args.x;
  const DealtRows dealt(pairs, pairs_max);
  for (int32_t i = 0; i < dealt.tiles; ++i) {
    const int32_t now = dealt.of(i);
    for (int32_t pair = 0; pair < now; ++pair) {
      const int8_t* const first = x + 2 * pair * args.x_step;
      const int8_t* const second = first + args.x_step;
      int8_t* to = out + 16 * pair;
      for (ptrdiff_t k = 0; k < k_padded; k += 16) {
        const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(first + k));
        const int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(second + k));
        vst1q_s8(to, vreinterpretq_s8_s64(vzip1q_s64(a, b)));
        vst1q_s8(to + 16 * now, vreinterpretq_s8_s64(vzip2q_s64(a, b)));
        to += 32 * now;
      }
    }
    x += 2 * now * args.x_step;
    out += 2 * now * k_padded;
  }
}

/// The call for the rows from the m-th on.
inline LinearArgs rows_from(const LinearArgs& args, int32_t m) {
  LinearArgs rest = args;
  rest.x += m * args.x_step;
  rest.x_scale += m * args.x_scale_step;
  rest.y += m * args.y_step;
  rest.rows -= m;
  return rest;
}
#endif

}  // namespace
}  // namespace heed
