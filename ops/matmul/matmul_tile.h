#pragma once
// The loops of the vector variants, written once over a small description D of their instructions:
//
//   kLanes              floats of a vector: 16, 8 or 4
//   Vec                 the vector
//   zero, broadcast(p), load(p), store(p, v), add(a, b), fma(a, b, t) = a * b + t
//   load_some(p, count), store_some(p, v, count)
//                       only the first `count` lanes; count may be 0 or less, or kLanes or more
//
// Included by the variants' files only; everything is local to each of them. Accumulators are
// members of nested structs, one a member, because GCC 12 keeps arrays of them in memory.

#include "ops/matmul/matmul.h"

// GCC for ARM would move loads and products ahead of each other, run out of registers and keep sums
// in memory.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns")
#endif

namespace heed {
namespace {

/// One vector of columns: whole, or its first `count` lanes.
template <class D, bool kWhole>
struct Lanes {
  [[gnu::always_inline]] static inline typename D::Vec load(const float* p, int32_t count) {
    if constexpr (kWhole) {
      return D::load(p);
    } else {
      return D::load_some(p, count);
    }
  }
  [[gnu::always_inline]] static inline void store(float* p, typename D::Vec v, int32_t count) {
    if constexpr (kWhole) {
      D::store(p, v);
    } else {
      D::store_some(p, v, count);
    }
  }
};

/// Row k of b: vectors V0 .. V-1 of a tile's columns. `columns` are those left from vector 0 on.
template <class D, int V, bool kWhole, int V0 = 0>
struct Vectors {
  static constexpr int kPerBlock = kMatmulBlockN / D::kLanes;
  static constexpr int kBlock = V0 / kPerBlock;
  static constexpr int kOffset = V0 % kPerBlock * D::kLanes;

  typename D::Vec value;
  Vectors<D, V, kWhole, V0 + 1> rest;

  [[gnu::always_inline]] inline void load(const float* b, ptrdiff_t block_step, int32_t columns) {
    value = Lanes<D, kWhole>::load(b + kBlock * block_step + kOffset, columns - V0 * D::kLanes);
    rest.load(b, block_step, columns);
  }
};
template <class D, int V, bool kWhole>
struct Vectors<D, V, kWhole, V> {
  [[gnu::always_inline]] inline void load(const float*, ptrdiff_t, int32_t) {}
};

/// The sums of one row of a tile, vectors V0 .. V-1.
template <class D, int V, bool kWhole, int V0 = 0>
struct Row {
  static constexpr int kFirst = V0 * D::kLanes;

  typename D::Vec acc;
  Row<D, V, kWhole, V0 + 1> rest;

  [[gnu::always_inline]] inline void start() {
    acc = D::zero();
    rest.start();
  }
  [[gnu::always_inline]] inline void add(typename D::Vec a, const Vectors<D, V, kWhole, V0>& b) {
    acc = D::fma(a, b.value, acc);
    rest.add(a, b.rest);
  }
  [[gnu::always_inline]] inline void finish(const float* bias, float* c, int32_t columns) {
    const int32_t count = columns - kFirst;
    if (bias) acc = D::add(acc, Lanes<D, kWhole>::load(bias + kFirst, count));
    Lanes<D, kWhole>::store(c + kFirst, acc, count);
    rest.finish(bias, c, columns);
  }
};
template <class D, int V, bool kWhole>
struct Row<D, V, kWhole, V> {
  [[gnu::always_inline]] inline void start() {}
  [[gnu::always_inline]] inline void add(typename D::Vec, const Vectors<D, V, kWhole, V>&) {}
  [[gnu::always_inline]] inline void finish(const float*, float*, int32_t) {}
};

/// The sums of R rows.
template <class D, int R, int V, bool kWhole>
struct Rows {
  Row<D, V, kWhole> row;
  Rows<D, R - 1, V, kWhole> rest;

  [[gnu::always_inline]] inline void start() {
    row.start();
    rest.start();
  }
  [[gnu::always_inline]] inline void add(const float* a, ptrdiff_t a_step,
                                         const Vectors<D, V, kWhole>& b) {
    row.add(D::broadcast(a), b);
    rest.add(a + a_step, a_step, b);
  }
  [[gnu::always_inline]] inline void finish(const float* bias, float* c, ptrdiff_t c_step,
                                            int32_t columns) {
    row.finish(bias, c, columns);
    rest.finish(bias, c + c_step, c_step, columns);
  }
};
template <class D, int V, bool kWhole>
struct Rows<D, 0, V, kWhole> {
  [[gnu::always_inline]] inline void start() {}
  [[gnu::always_inline]] inline void add(const float*, ptrdiff_t, const Vectors<D, V, kWhole>&) {}
  [[gnu::always_inline]] inline void finish(const float*, float*, ptrdiff_t, int32_t) {}
};

/// R rows by V vectors of columns; `args` point at the tile's first element. Only the first
/// `columns` columns are read and written where the tile is not whole.
template <class D, int R, int V, bool kWhole>
void tile(const MatmulArgs& args, int32_t columns) {
  const float* a = args.a;
  const float* b = args.b;
  Rows<D, R, V, kWhole> sums;
  sums.start();
  for (int32_t k = 0; k < args.k; ++k) {
    Vectors<D, V, kWhole> vectors;
    vectors.load(b, args.b_block_step, columns);
    sums.add(a, args.a_step, vectors);
    a += 1;
    b += args.b_k_step;
  }
  sums.finish(args.bias, args.c, args.c_step, columns);
}
using TileFn = void (*)(const MatmulArgs&, int32_t columns);

/// A variant's tiles by rows and whole blocks of 16 columns; those for the rest of the last block;
/// and one for a single row of wide_blocks blocks.
template <int kRows, int kBlocks>
struct Tiles {
  static constexpr int32_t rows_max = kRows;
  static constexpr int32_t blocks_max = kBlocks;
  TileFn whole[kRows][kBlocks];
  TileFn partial[kRows];
  TileFn wide;
  int32_t wide_blocks;
};

template <class TilesT>
void run_tiles(const TilesT& tiles, const MatmulArgs& args, int32_t n_begin, int32_t n_end) {
  // Rows are dealt evenly: 7 rows are 4 + 3, not 6 + 1.
  const int32_t row_tiles = (args.rows + TilesT::rows_max - 1) / TilesT::rows_max;
  for (int32_t n = n_begin; n < n_end;) {
    const int32_t left = (n_end - n) / kMatmulBlockN;
    const bool wide = args.rows == 1 && left >= tiles.wide_blocks;
    const int32_t some = left < TilesT::blocks_max ? left : TilesT::blocks_max;
    const int32_t blocks = wide ? tiles.wide_blocks : some;
    const int32_t columns = blocks > 0 ? blocks * kMatmulBlockN : n_end - n;
    MatmulArgs part = args;
    part.b = args.b + n / kMatmulBlockN * args.b_block_step;
    part.bias = args.bias ? args.bias + n : nullptr;
    int32_t m = 0;
    for (int32_t i = 0; i < row_tiles; ++i) {
      const int32_t rows = (args.rows - m + row_tiles - i - 1) / (row_tiles - i);
      part.a = args.a + m * args.a_step;
      part.c = args.c + m * args.c_step + n;
      const TileFn whole = wide ? tiles.wide : tiles.whole[rows - 1][blocks > 0 ? blocks - 1 : 0];
      (blocks > 0 ? whole : tiles.partial[rows - 1])(part, columns);
      m += rows;
    }
    n += columns;
  }
}

}  // namespace
}  // namespace heed
