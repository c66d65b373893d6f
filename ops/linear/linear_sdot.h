#pragma once
// The tile description of the signed dot product instruction: dotprod's own, and i8mm's for odd
// rows.

#include "ops/linear/linear_arm.h"
#include "ops/simd/dot_arm.h"

namespace heed {
namespace {

struct Sdot;

/// Where R rows are read next.
template <int R>
struct Rows {
  const uint8_t* p;
  Rows<R - 1> rest;

  [[gnu::always_inline]] inline void start(const uint8_t* x, ptrdiff_t step) {
    p = x;
    rest.start(x + step, step);
  }
  [[gnu::always_inline]] inline void load(Inputs<Sdot, R>& inputs);
};
template <>
struct Rows<0> {
  [[gnu::always_inline]] inline void start(const uint8_t*, ptrdiff_t) {}
  [[gnu::always_inline]] inline void load(Inputs<Sdot, 0>&) {}
};

struct Sdot {
  using Acc = int32x4_t;
  using W = int8x16_t;
  using X = int8x16_t;  // 16 inputs of a row
  static constexpr int kLanes = 4;
  static constexpr int kRows = 1;

  template <int I, int R>
  [[gnu::always_inline]] static inline void dots(Column<Sdot, R>& column,
                                                 const Inputs<Sdot, R>& inputs, W w) {
    add_dot<I>(column.acc, w, inputs.x);
    if constexpr (R > 1) dots<I>(column.rest, inputs.rest, w);
  }
  /// The four inputs I of sixteen with vectors V0 .. V-1. One load for two vectors makes 113
  /// instructions for the 96 dot products of 6 rows.
  template <int I, int V0, int R, int V>
  [[gnu::always_inline]] static inline void add_quad(Columns<Sdot, R, V>& columns,
                                                     const Inputs<Sdot, R>& inputs, const int8_t* w,
                                                     ptrdiff_t block_bytes) {
    W first, second;
    load_pair<I * kQuad + V0 % 4 * kLanes * kLinearGroupK>(w, first, second);
    dots<I>(column_at<V0>(columns), inputs, first);
    dots<I>(column_at<V0 + 1>(columns), inputs, second);
    if constexpr (V0 + 2 < V) {
      add_quad<I, V0 + 2>(columns, inputs, V0 + 2 == 4 ? w + block_bytes : w, block_bytes);
    }
  }
  template <int R, int V>
  [[gnu::always_inline]] static inline void add(Columns<Sdot, R, V>& columns, TileGroup& group) {
    Rows<R> rows;
    rows.start(group.x, group.x_step);
    const uint8_t* const end = group.x + group.width;
    do {
      Inputs<Sdot, R> inputs;
      rows.load(inputs);
      add_quad<0, 0>(columns, inputs, group.w, group.block_bytes);
      add_quad<1, 0>(columns, inputs, group.w, group.block_bytes);
      add_quad<2, 0>(columns, inputs, group.w, group.block_bytes);
      add_quad<3, 0>(columns, inputs, group.w, group.block_bytes);
      group.w += 4 * kQuad;
    } while (rows.p != end);
    group.x = end;
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) { return vdupq_n_s32(0); }
  template <int>
  [[gnu::always_inline]] static inline int32x4_t row_of(Acc acc) {
    return acc;
  }
};

template <int R>
void Rows<R>::load(Inputs<Sdot, R>& inputs) {
  inputs.x = load_next(p);
  rest.load(inputs.rest);
}

}  // namespace
}  // namespace heed
