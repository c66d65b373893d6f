#pragma once
// The loops of the vector variants, written once over a small description D of their instructions:
//
//   kLanes            outputs of one vector: 16, 8 or 4
//   kRows             rows of one X: 1, or 2 where the instruction multiplies 2x8 by 8x2
//   kStep, kStepBytes inputs per row of one X, and the bytes they take in the prepared rows
//   kAdds             dot() calls that use up one X, each with the next weights
//   kUnroll           steps in the body of the loop over K; kStep * kUnroll is at most 16
//   Acc, W, X         sums of kLanes outputs, their weights, inputs
//   start(p)          the sums to begin with, given the weight sums at p
//   inputs(p)         the X at p
//   weights(p)        the W at p (its first four inputs; the next four are kQuad bytes on)
//   dot<i>(acc, x, w) acc + the products of x's i-th part with w
//   finish(acc, end)  the float end of kRows rows: y = fma(float(acc), x_scale * w_scale, t)
//
// Included by the variants' files only; everything is local to each of them. Accumulators are
// members of nested structs, one a member, because GCC 12 keeps arrays of them in memory.

#include "ops/linear/linear.h"

// GCC for ARM would move loads and products ahead of each other, run out of registers and keep sums
// in memory.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns")
#endif

namespace heed {
namespace {

constexpr ptrdiff_t kQuad =
    kLinearBlockN * kLinearGroupK;  // bytes of four inputs' weights in a block

/// One tile of the product: some rows times some vectors of outputs, all groups of K.
struct TileArgs {
  const uint8_t* x;
  ptrdiff_t x_step;
  const float* x_scale;
  ptrdiff_t x_scale_step;
  const int8_t* w;
  const float* w_scale;
  const int32_t* w_sum;
  ptrdiff_t w_sum_step;
  const float* bias;
  float* y;
  ptrdiff_t y_step;
  int32_t groups;
  int32_t group_width;
  int32_t sweep;  // tiles side by side, where Tiles::sweeps
};
using TileFn = void (*)(const TileArgs&);

/// Where one vector's results come from and go to.
struct TileEnd {
  const float* x_scale;
  ptrdiff_t x_scale_step;
  const float* w_scale;
  const float* t;  // bias, or the sum of the earlier groups
  ptrdiff_t t_step;
  float* y;
  ptrdiff_t y_step;
};

/// R times X.
template <class D, int R>
struct Inputs {
  typename D::X x;
  Inputs<D, R - 1> rest;

  [[gnu::always_inline]] inline void load(const uint8_t* p, ptrdiff_t step) {
    x = D::inputs(p);
    rest.load(p + step, step);
  }
};
template <class D>
struct Inputs<D, 0> {
  [[gnu::always_inline]] inline void load(const uint8_t*, ptrdiff_t) {}
};

/// The accumulators of R times X for one vector of outputs.
template <class D, int R>
struct Column {
  typename D::Acc acc;
  Column<D, R - 1> rest;

  [[gnu::always_inline]] inline void start(const typename D::Acc& value) {
    acc = value;
    rest.start(value);
  }
  template <int I>
  [[gnu::always_inline]] inline void add(const Inputs<D, R>& inputs, const typename D::W& w) {
    acc = D::template dot<I>(acc, inputs.x, w);
    rest.template add<I>(inputs.rest, w);
  }
  [[gnu::always_inline]] inline void finish(TileEnd end) {
    D::finish(acc, end);
    end.x_scale += D::kRows * end.x_scale_step;
    end.t += D::kRows * end.t_step;
    end.y += D::kRows * end.y_step;
    rest.finish(end);
  }
};
template <class D>
struct Column<D, 0> {
  [[gnu::always_inline]] inline void start(const typename D::Acc&) {}
  template <int I>
  [[gnu::always_inline]] inline void add(const Inputs<D, 0>&, const typename D::W&) {}
  [[gnu::always_inline]] inline void finish(const TileEnd&) {}
};

/// The accumulators of vectors V0 .. V-1 of a tile.
template <class D, int R, int V, int V0 = 0>
struct Columns {
  static constexpr int kPerBlock = kLinearBlockN / D::kLanes;
  static constexpr int kBlock = V0 / kPerBlock;
  static constexpr int kOffset = V0 % kPerBlock * D::kLanes * kLinearGroupK;
  static constexpr int kFirst = V0 * D::kLanes;

  Column<D, R> column;
  Columns<D, R, V, V0 + 1> rest;

  [[gnu::always_inline]] inline void start(const int32_t* w_sum) {
    column.start(D::start(w_sum + kFirst));
    rest.start(w_sum);
  }
  template <int I>
  [[gnu::always_inline]] inline void add(const Inputs<D, R>& inputs, const int8_t* w,
                                         ptrdiff_t block_bytes) {
    column.template add<I>(inputs, D::weights(w + kBlock * block_bytes + kOffset));
    rest.template add<I>(inputs, w, block_bytes);
  }
  [[gnu::always_inline]] inline void finish(TileEnd end) {
    column.finish({end.x_scale, end.x_scale_step, end.w_scale + kFirst, end.t + kFirst, end.t_step,
                   end.y + kFirst, end.y_step});
    rest.finish(end);
  }
};
template <class D, int R, int V>
struct Columns<D, R, V, V> {
  [[gnu::always_inline]] inline void start(const int32_t*) {}
  template <int I>
  [[gnu::always_inline]] inline void add(const Inputs<D, R>&, const int8_t*, ptrdiff_t) {}
  [[gnu::always_inline]] inline void finish(const TileEnd&) {}
};

/// The dot() calls of one step, from the I-th on.
template <class D, int R, int V, int I = 0>
[[gnu::always_inline]] inline void add_step(Columns<D, R, V>& columns, const Inputs<D, R>& inputs,
                                            const int8_t* w, ptrdiff_t block_bytes) {
  constexpr ptrdiff_t kBytes = D::kStep / kLinearGroupK / D::kAdds * kQuad;
  columns.template add<I>(inputs, w + I * kBytes, block_bytes);
  if constexpr (I + 1 < D::kAdds) add_step<D, R, V, I + 1>(columns, inputs, w, block_bytes);
}

/// The steps in the body of the loop, from the S-th on.
template <class D, int R, int V, int S = 0>
[[gnu::always_inline]] inline void add_steps(Columns<D, R, V>& columns, const uint8_t* x,
                                             ptrdiff_t x_step, const int8_t* w,
                                             ptrdiff_t block_bytes) {
  Inputs<D, R> inputs;
  inputs.load(x + S * D::kStepBytes, x_step);
  add_step<D, R, V>(columns, inputs, w + S * (D::kStep / kLinearGroupK) * kQuad, block_bytes);
  if constexpr (S + 1 < D::kUnroll) add_steps<D, R, V, S + 1>(columns, x, x_step, w, block_bytes);
}

/// R times kRows rows by V times kLanes outputs.
template <class D, int R, int V>
void tile(const TileArgs& a) {
  const ptrdiff_t block_bytes = static_cast<ptrdiff_t>(a.groups) * a.group_width * kLinearBlockN;
  const uint8_t* x = a.x;
  const int8_t* w = a.w;
  TileEnd end = {a.x_scale, a.x_scale_step, a.w_scale, a.bias, 0, a.y, a.y_step};
  for (int32_t g = 0; g < a.groups; ++g) {
    Columns<D, R, V> columns;
    columns.start(a.w_sum + g * a.w_sum_step);
    for (int32_t k = 0; k < a.group_width; k += D::kStep * D::kUnroll) {
      add_steps<D, R, V>(columns, x, a.x_step, w, block_bytes);
      x += D::kUnroll * D::kStepBytes;
      w += D::kUnroll * (D::kStep / kLinearGroupK) * kQuad;
    }
    columns.finish(end);
    end.x_scale += 1;
    end.t = a.y;
    end.t_step = a.y_step;
  }
}

/// The same for one block of outputs where the registers hold only V vectors of them at a time.
template <class D, int R, int V>
void block_tile(const TileArgs& a) {
  constexpr int kOutputs = V * D::kLanes;
  TileArgs part = a;
  for (int n = 0; n < kLinearBlockN; n += kOutputs) {
    tile<D, R, V>(part);
    part.w += kOutputs * kLinearGroupK;
    part.w_scale += kOutputs;
    part.w_sum += kOutputs;
    part.bias += kOutputs;
    part.y += kOutputs;
  }
}

/// A variant's tiles: fn[i - 1][blocks - 1] for i times `rows` rows, null for numbers of blocks
/// that are done in two goes; `wide` does one time wide_blocks.
template <int kTimes, int kBlocks>
struct Tiles {
  static constexpr int32_t times_max = kTimes;
  static constexpr int32_t blocks_max = kBlocks;
  int32_t rows;
  int32_t wide_blocks;
  TileFn wide;
  TileFn fn[kTimes][kBlocks];
  bool sweeps = false;  // the tiles heed TileArgs::sweep
  /// Widths of K from which the lines of y are asked for before a tile begins; 0: never.
  int32_t ask_width = 0;
};

void ask_for_outputs(const TileArgs& a, int32_t rows, int32_t outputs) {
  for (int32_t m = 0; m < rows; ++m) {
    for (int32_t n = 0; n < outputs; n += 16) __builtin_prefetch(a.y + m * a.y_step + n, 1);
  }
}

/// A tile whose last block reaches past n_end: computed aside, then only its columns are copied.
void run_partial(TileFn fn, TileArgs a, int32_t rows, int32_t blocks, int32_t columns) {
  alignas(64) float aside[24 * kLinearBlockN];  // the largest tiles are 6 x 64 and 24 x 16
  float* y = a.y;
  const ptrdiff_t y_step = a.y_step;
  a.y = aside;
  a.y_step = blocks * kLinearBlockN;
  fn(a);
  for (int32_t m = 0; m < rows; ++m) {
    for (int32_t n = 0; n < columns; ++n) y[m * y_step + n] = aside[m * a.y_step + n];
  }
}

/// Rows are dealt evenly: 7 rows are 4 + 3, not 6 + 1.
struct DealtRows {
  int32_t tiles, least, more;  // the first `more` tiles have one more than `least`

  DealtRows(int32_t times, int32_t times_max)
      : tiles((times + times_max - 1) / times_max), least(times / tiles), more(times % tiles) {}
  int32_t of(int32_t tile) const { return tile < more ? least + 1 : least; }
};

/// All tiles of a call. `x`: `times` prepared inputs of tiles.rows rows each, x_step bytes apart.
template <class TilesT>
void run_tiles(const TilesT& tiles, const LinearArgs& args, const uint8_t* x, ptrdiff_t x_step,
               int32_t times, int32_t n_begin, int32_t n_end) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  const DealtRows dealt(times, TilesT::times_max);
  const bool asks = tiles.ask_width > 0 && k_padded >= tiles.ask_width;
  TileArgs a{};
  a.x_step = x_step;
  a.x_scale_step = args.x_scale_step;
  a.w_sum_step = args.w_sum_step;
  a.y_step = args.y_step;
  a.groups = args.groups;
  a.group_width = args.group_width;
  for (int32_t n = n_begin; n < n_end;) {
    const int32_t left = (n_end - n + kLinearBlockN - 1) / kLinearBlockN;
    const bool wide = times == 1 && (n_end - n) / kLinearBlockN >= tiles.wide_blocks;
    int32_t some = left < TilesT::blocks_max ? left : TilesT::blocks_max;
    while (tiles.fn[0][some - 1] == nullptr) --some;
    const int32_t blocks = wide ? tiles.wide_blocks : some;
    const int32_t outputs = blocks * kLinearBlockN;
    const bool whole = n_end - n >= outputs;
    a.sweep = tiles.sweeps && whole && dealt.tiles == 1 ? (n_end - n) / outputs : 1;
    a.w = args.w + n * k_padded;
    a.w_scale = args.w_scale + n;
    a.w_sum = args.w_sum + n;
    a.bias = args.bias + n;
    a.x = x;
    a.x_scale = args.x_scale;
    a.y = args.y + n;
    for (int32_t i = 0; i < dealt.tiles; ++i) {
      const int32_t now = dealt.of(i), rows = now * tiles.rows;
      const TileFn fn = wide ? tiles.wide : tiles.fn[now - 1][blocks - 1];
      if (whole) {
        if (asks) ask_for_outputs(a, rows, outputs);
        fn(a);
      } else {
        run_partial(fn, a, rows, blocks, n_end - n);
      }
      a.x += now * x_step;
      a.x_scale += rows * args.x_scale_step;
      a.y += rows * args.y_step;
    }
    n += a.sweep * outputs;
  }
}

}  // namespace
}  // namespace heed
