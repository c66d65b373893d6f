#pragma once
// What the vector variants of linear have in common: a tile's accumulators, and the walk over all
// tiles of a call. linear_x86.h and linear_arm.h have the tiles, each over a small description D of
// its instructions, which offers at least
//
//   kLanes   outputs of one vector: 16, 8 or 4
//   Acc, X   sums of kLanes outputs, inputs
//   start(p) the sums to begin with, given the weight sums at p
//
// Included by the variants' files only; everything is local to each of them. Accumulators are
// members of nested structs, one a member, because GCC 12 keeps arrays of them in memory.

#include "ops/linear/linear.h"
#include "ops/simd/pages.h"

// GCC for ARM would move loads and products ahead of each other, run out of registers and keep sums
// in memory.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns")
#endif

namespace heed {
namespace {

constexpr ptrdiff_t kQuad =
    kLinearBlockN * kLinearGroupK;  // bytes of four inputs' weights in a block

/// One tile of the product: some rows times some vectors of outputs.
struct TileArgs {
  const uint8_t* x;
  ptrdiff_t x_step;
  const float* x_scale;
  ptrdiff_t x_scale_step;
  const int8_t* w;
  const float* w_scale;
  const int32_t* w_sum;
  ptrdiff_t w_sum_step;
  const float* t;  // bias, or the sum of the earlier groups
  ptrdiff_t t_step;
  float* y;
  ptrdiff_t y_step;
  ptrdiff_t block_bytes;  // from a block of outputs to the next
  int32_t groups;
  int32_t group_width;
  int32_t sweep;  // tiles side by side, where Tiles::sweeps
};
using TileFn = void (*)(const TileArgs&);

/// R times X.
template <class D, int R>
struct Inputs {
  typename D::X x;
  Inputs<D, R - 1> rest;
};
template <class D>
struct Inputs<D, 0> {};

/// The accumulators of R times X for one vector of outputs.
template <class D, int R>
struct Column {
  typename D::Acc acc;
  Column<D, R - 1> rest;

  [[gnu::always_inline]] inline void start(const typename D::Acc& value) {
    acc = value;
    rest.start(value);
  }
};
template <class D>
struct Column<D, 0> {
  [[gnu::always_inline]] inline void start(const typename D::Acc&) {}
};

/// The accumulators of vectors V0 .. V-1 of a tile.
template <class D, int R, int V, int V0 = 0>
struct Columns {
  Column<D, R> column;
  Columns<D, R, V, V0 + 1> rest;

  [[gnu::always_inline]] inline void start(const int32_t* w_sum) {
    column.start(D::start(w_sum + V0 * D::kLanes));
    rest.start(w_sum);
  }
  [[gnu::always_inline]] inline void start_at(const typename D::Acc& value) {
    column.start(value);
    if constexpr (V0 + 1 < V) rest.start_at(value);
  }
  [[gnu::always_inline]] inline void add(const Columns& other) {
    column.acc = D::add(column.acc, other.column.acc);
    if constexpr (V0 + 1 < V) rest.add(other.rest);
  }
};
template <class D, int R, int V>
struct Columns<D, R, V, V> {
  [[gnu::always_inline]] inline void start(const int32_t*) {}
};

/// The sums of the tile's V0-th vector of outputs.
template <int V0, class D, int R, int V, int At>
[[gnu::always_inline]] inline auto& column_at(Columns<D, R, V, At>& columns) {
  if constexpr (V0 == At) {
    return columns.column;
  } else {
    return column_at<V0>(columns.rest);
  }
}
/// Those of the R0-th X.
template <int R0, class D, int R>
[[gnu::always_inline]] inline auto& sums_at(Column<D, R>& column) {
  if constexpr (R0 == 0) {
    return column.acc;
  } else {
    return sums_at<R0 - 1>(column.rest);
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
  /// The tiles go through the groups of K themselves, and TileArgs::sweep times to the right.
  bool sweeps = false;
  /// Widths of K from which the lines of y are asked for before a tile begins; 0: never.
  int32_t ask_width = 0;
  int32_t input_bytes = 1;  // of the prepared rows
};

void ask_for_outputs(const TileArgs& a, int32_t rows, int32_t outputs) {
  for (int32_t m = 0; m < rows; ++m) {
    for (int32_t n = 0; n < outputs; n += 16) __builtin_prefetch(a.y + m * a.y_step + n, 1);
  }
}

/// All groups of K of a tile, one after the other: the first begins with the bias.
void run_groups(TileFn fn, TileArgs a, int32_t input_bytes) {
  for (int32_t g = 0; g < a.groups; ++g) {
    fn(a);
    a.t = a.y;
    a.t_step = a.y_step;
    a.x += ptrdiff_t{a.group_width} * input_bytes;
    a.x_scale += 1;
    a.w += ptrdiff_t{a.group_width} * kLinearBlockN;
    a.w_sum += a.w_sum_step;
  }
}

/// A tile whose last block reaches past n_end: computed aside, then only its columns are copied.
template <class TilesT>
void run_partial(const TilesT& tiles, TileFn fn, TileArgs a, int32_t rows, int32_t blocks,
                 int32_t columns) {
  alignas(64) float aside[24 * kLinearBlockN];  // the largest tiles are 6 x 64 and 24 x 16
  float* y = a.y;
  const ptrdiff_t y_step = a.y_step;
  a.y = aside;
  a.y_step = blocks * kLinearBlockN;
  tiles.sweeps ? fn(a) : run_groups(fn, a, tiles.input_bytes);
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
  const bool by_group = !tiles.sweeps && args.groups > 1;
  const bool asks = tiles.ask_width > 0 && k_padded >= tiles.ask_width;
  TileArgs a{};
  a.x_step = x_step;
  a.x_scale_step = args.x_scale_step;
  a.w_sum_step = args.w_sum_step;
  a.y_step = args.y_step;
  a.block_bytes = k_padded * kLinearBlockN;
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
    a.t = args.bias + n;
    a.x = x;
    a.x_scale = args.x_scale;
    a.y = args.y + n;
    // Without it weights of a single row take 1.1 to 1.2 times as long from L3 (Zen 4, 4 kB pages).
    if (!tiles.sweeps && n + outputs < n_end) {
      const int32_t next = n_end - n - outputs < outputs ? n_end - n - outputs : outputs;
      ask_for_pages(a.w + outputs * k_padded, next * k_padded);
    }
    for (int32_t i = 0; i < dealt.tiles; ++i) {
      const int32_t now = dealt.of(i), rows = now * tiles.rows;
      const TileFn fn = wide ? tiles.wide : tiles.fn[now - 1][blocks - 1];
      if (!whole) {
        run_partial(tiles, fn, a, rows, blocks, n_end - n);
      } else {
        if (asks) ask_for_outputs(a, rows, outputs);
        by_group ? run_groups(fn, a, tiles.input_bytes) : fn(a);
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
