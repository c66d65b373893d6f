#pragma once
// The tiles of the x86 variants, one group of K at a time. Their description D has beside what
// linear_tile.h lists
//
//   kInputBytes        of a prepared input
//   W                  the weights of kLanes outputs for four inputs
//   inputs(p)          the X at p: four inputs for all lanes
//   weights(p)         the W at p
//   dot(acc, x, w)     acc + the products of x with w
//   add(a, b)          the sum of two Acc
//   none()             an Acc of zeros
//   finish(acc, x_scale, w_scale, t, y)
//                      the float end: y = fma(float(acc), x_scale * w_scale, t)

#include "ops/linear/linear_tile.h"

namespace heed {
namespace {

template <class D, int R>
[[gnu::always_inline]] inline void load_inputs(Inputs<D, R>& inputs, const uint8_t* p,
                                               ptrdiff_t step) {
  inputs.x = D::inputs(p);
  if constexpr (R > 1) load_inputs(inputs.rest, p + step, step);
}
template <class D, int R>
[[gnu::always_inline]] inline void add_column(Column<D, R>& column, const Inputs<D, R>& inputs,
                                              const typename D::W& w) {
  column.acc = D::dot(column.acc, inputs.x, w);
  if constexpr (R > 1) add_column(column.rest, inputs.rest, w);
}
/// The products of four inputs with vectors At .. V-1.
template <class D, int R, int V, int At>
[[gnu::always_inline]] inline void add_columns(Columns<D, R, V, At>& columns,
                                               const Inputs<D, R>& inputs, const int8_t* w,
                                               ptrdiff_t block_bytes) {
  constexpr int kPerBlock = kLinearBlockN / D::kLanes;
  constexpr int kAt = At % kPerBlock * D::kLanes * kLinearGroupK;
  add_column(columns.column, inputs, D::weights(w + At / kPerBlock * block_bytes + kAt));
  if constexpr (At + 1 < V) add_columns(columns.rest, inputs, w, block_bytes);
}

/// The float end of a tile, row by row: results of all rows at once would need as many pointers,
/// more than there are registers.
template <int Row, class D, int R, int V, int At>
[[gnu::always_inline]] inline void finish_row(Columns<D, R, V, At>& columns, float x_scale,
                                              const float* w_scale, const float* t, float* y) {
  D::finish(sums_at<Row>(columns.column), x_scale, w_scale, t, y);
  if constexpr (At + 1 < V) {
    finish_row<Row>(columns.rest, x_scale, w_scale + D::kLanes, t + D::kLanes, y + D::kLanes);
  }
}
template <int Row, class D, int R, int V>
[[gnu::always_inline]] inline void finish_rows(Columns<D, R, V>& columns, const TileArgs& a,
                                               const float* x_scale, const float* w_scale,
                                               const float* t, float* y) {
  finish_row<Row>(columns, *x_scale, w_scale, t, y);
  if constexpr (Row + 1 < R) {
    finish_rows<Row + 1>(columns, a, x_scale + a.x_scale_step, w_scale, t + a.t_step, y + a.y_step);
  }
}

/// R rows by V times kLanes outputs from the n-th on.
template <class D, int R, int V>
[[gnu::always_inline]] inline void tile_at(const TileArgs& a, int n) {
  Columns<D, R, V> columns;
  columns.start(a.w_sum + n);
  const uint8_t* x = a.x;
  const int8_t* w = a.w + n * kLinearGroupK;
  const auto step = [&]() __attribute__((always_inline)) {
    Inputs<D, R> inputs;
    load_inputs(inputs, x, a.x_step);
    add_columns(columns, inputs, w, a.block_bytes);
    x += kLinearGroupK * D::kInputBytes;
    w += kQuad;
  };
  // One in the body: of two GCC 12 would keep sums in memory.
  for (int32_t k = 0; k < a.group_width; k += kLinearGroupK) step();
  finish_rows<0>(columns, a, a.x_scale, a.w_scale + n, a.t + n, a.y + n);
}
template <class D, int R, int V>
void tile(const TileArgs& a) {
  tile_at<D, R, V>(a, 0);
}

/// Every kChains-th four inputs of a row by a block of outputs, from Chain on.
template <class D, int kChains, int Chain = 0>
struct Chains {
  Columns<D, 1, kLinearBlockN / D::kLanes> columns;
  Chains<D, kChains, Chain + 1> rest;

  [[gnu::always_inline]] inline void start(const int32_t* w_sum) {
    columns.start(w_sum);
    if constexpr (Chain + 1 < kChains) rest.start_at_none();
  }
  [[gnu::always_inline]] inline void start_at_none() {
    columns.start_at(D::none());
    if constexpr (Chain + 1 < kChains) rest.start_at_none();
  }
  [[gnu::always_inline]] inline void add(const uint8_t* x, const int8_t* w) {
    Inputs<D, 1> inputs;
    load_inputs(inputs, x, 0);
    add_columns(columns, inputs, w, 0);
    if constexpr (Chain + 1 < kChains) rest.add(x + kLinearGroupK * D::kInputBytes, w + kQuad);
  }
  /// All chains' sums in the first.
  [[gnu::always_inline]] inline void join() {
    if constexpr (Chain + 1 < kChains) {
      rest.join();
      columns.add(rest.columns);
    }
  }
};
template <class D, int kChains>
struct Chains<D, kChains, kChains> {};

/// One row by kBlocks blocks, one after the other: a row waits for memory only, and weights in a
/// single stream come fastest. A step of Whisper tiny's decoder takes 0.85 to 0.88 of the time that
/// eight blocks side by side took (Zen 4), one layer in L2 0.96 to 1. More blocks than four
/// gain nothing: run_tiles asks for the pages of the next ones at each call.
template <class D, int kBlocks, int kChains>
void row_tile(const TileArgs& a) {
  const int8_t* w = a.w;
  for (int n = 0; n < kBlocks * kLinearBlockN; n += kLinearBlockN, w += a.block_bytes) {
    Chains<D, kChains> chains;
    chains.start(a.w_sum + n);
    const uint8_t* x = a.x;
    const int8_t* quads = w;
    for (int32_t k = 0; k < a.group_width; k += kChains * kLinearGroupK) {
      chains.add(x, quads);
      x += kChains * kLinearGroupK * D::kInputBytes;
      quads += kChains * kQuad;
    }
    chains.join();
    finish_row<0>(chains.columns, *a.x_scale, a.w_scale + n, a.t + n, a.y + n);
  }
}

/// The same as tile() for one block of outputs where the registers hold only V vectors of them at a
/// time.
template <class D, int R, int V>
void block_tile(const TileArgs& a) {
  for (int n = 0; n < kLinearBlockN; n += V * D::kLanes) tile_at<D, R, V>(a, n);
}

}  // namespace
}  // namespace heed
