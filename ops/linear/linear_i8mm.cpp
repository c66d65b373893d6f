#include "ops/linear/linear_sdot.h"

namespace heed {
namespace {

struct Eights {  // 8 inputs of two outputs each
  int8x16_t low;
  int8x16_t high;
};

/// Weights of V vectors, ready to multiply.
template <int V>
struct Weights {
  Eights w;
  Weights<V - 1> rest;
};
template <>
struct Weights<0> {};

// smmla multiplies 2 rows x 8 inputs by 8 inputs x 2 outputs. The weights' registers hold 4 outputs
// x 4 inputs; two of them, zipped, make two of what it wants. All pairs of rows of a tile share the
// zips: 2 for 24 products where it has 12 pairs and one vector, 4 where it has 6 and two.
struct Smmla {
  struct Squares {  // row 0 of two outputs, row 1 of the same: outputs 0-1, outputs 2-3
    int32x4_t low;
    int32x4_t high;
  };
  using Acc = Squares;
  using W = Eights;
  using X = int8x16_t;
  static constexpr int kLanes = 4;
  static constexpr int kRows = 2;
  static constexpr int kPairBytes = 16;  // eight inputs of two rows
  static constexpr int kVector = kLanes * kLinearGroupK;

  [[gnu::always_inline]] static inline Eights zip(int8x16_t first, int8x16_t second) {
    return {zip_low(first, second), zip_high(first, second)};
  }
  [[gnu::always_inline]] static inline void dot(Acc& acc, X x, const W& w) {
    add_square(acc.low, x, w.low);
    add_square(acc.high, x, w.high);
  }

  template <int V, int V0>
  [[gnu::always_inline]] static inline void load_weights(Weights<V>& weights, const int8_t* p) {
    constexpr int kAt = V0 * kVector;
    int8x16_t first, second;
    if constexpr (V == 1) {
      first = load_here<kAt>(p);
      second = load_here<kAt + kQuad>(p);
      weights.w = zip(first, second);
    } else {
      int8x16_t next_first, next_second;
      load_pair<kAt>(p, first, next_first);
      load_pair<kAt + kQuad>(p, second, next_second);
      weights.w = zip(first, second);
      weights.rest.w = zip(next_first, next_second);
      if constexpr (V > 2) load_weights<V - 2, V0 + 2>(weights.rest.rest, p);
    }
  }
  template <int R0, int V0, int R, int V>
  [[gnu::always_inline]] static inline void dots(Columns<Smmla, R, V>& columns, X x,
                                                 const Weights<V - V0>& weights) {
    dot(sums_at<R0>(column_at<V0>(columns)), x, weights.w);
    if constexpr (V0 + 1 < V) dots<R0, V0 + 1>(columns, x, weights.rest);
  }
  /// Eight inputs of pairs R0 .. R-1.
  template <int R0, int R, int V>
  [[gnu::always_inline]] static inline void add_pairs(Columns<Smmla, R, V>& columns,
                                                      const uint8_t* p, const Weights<V>& weights) {
    X x;
    if constexpr (R0 + 1 == R) {
      x = load_here<R0 * kPairBytes>(p);
      dots<R0, 0>(columns, x, weights);
    } else {
      X next;
      load_pair<R0 * kPairBytes>(p, x, next);
      dots<R0, 0>(columns, x, weights);
      dots<R0 + 1, 0>(columns, next, weights);
      if constexpr (R0 + 2 < R) add_pairs<R0 + 2>(columns, p, weights);
    }
  }
  template <int R, int V>
  [[gnu::always_inline]] static inline void add(Columns<Smmla, R, V>& columns, TileGroup& group) {
    const uint8_t* const end = group.x + static_cast<ptrdiff_t>(2 * R) * group.width;
    do {
      Weights<V> weights;
      load_weights<V, 0>(weights, group.w);
      add_pairs<0>(columns, group.x, weights);
      group.x += R * kPairBytes;
      group.w += 2 * kQuad;
    } while (group.x != end);
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  template <int kRow>
  [[gnu::always_inline]] static inline int32x4_t row_of(const Acc& acc) {
    const int64x2_t low = vreinterpretq_s64_s32(acc.low);
    const int64x2_t high = vreinterpretq_s64_s32(acc.high);
    return vreinterpretq_s32_s64(kRow == 0 ? vzip1q_s64(low, high) : vzip2q_s64(low, high));
  }
};

// 12 pairs of rows x 4 outputs or 6 x 8: 24 accumulators; a block of 16 outputs is four or two such
// tiles. The models of Neoverse N2 and V1 (llvm-mca 19) take 13.1 and 6.6 cycles for 24 products, 2
// and 4 at a time: weights that need no zip would be 8 % faster.
constexpr int kPairsMax = 12;
constexpr Tiles<kPairsMax, 1> kPairTiles = {2,
                                            1,
                                            arm_tile<Smmla, 1, 4>,
                                            {{arm_tile<Smmla, 1, 4>},
                                             {arm_tile<Smmla, 2, 4>},
                                             {arm_block_tile<Smmla, 3, 2>},
                                             {arm_block_tile<Smmla, 4, 2>},
                                             {arm_block_tile<Smmla, 5, 2>},
                                             {arm_block_tile<Smmla, 6, 2>},
                                             {arm_block_tile<Smmla, 7, 1>},
                                             {arm_block_tile<Smmla, 8, 1>},
                                             {arm_block_tile<Smmla, 9, 1>},
                                             {arm_block_tile<Smmla, 10, 1>},
                                             {arm_block_tile<Smmla, 11, 1>},
                                             {arm_block_tile<Smmla, 12, 1>}},
                                            true};

constexpr Tiles<1, 1> kRowTiles = {1, 2, arm_tile<Sdot, 1, 8>, {{arm_tile<Sdot, 1, 4>}}, true};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  const int32_t pairs = args.rows / 2;
  if (pairs > 0) {
    int8_t* x = static_cast<int8_t*>(scratch);
    copy_paired(args, pairs, kPairsMax, k_padded, x);
    run_tiles(kPairTiles, args, reinterpret_cast<const uint8_t*>(x), 2 * k_padded, pairs, n_begin,
              n_end);
  }
  if (args.rows % 2 != 0) {
    const LinearArgs last = rows_from(args, 2 * pairs);
    run_tiles(kRowTiles, last, reinterpret_cast<const uint8_t*>(last.x), last.x_step, 1, n_begin,
              n_end);
  }
}

}  // namespace

extern const LinearKernel kLinearI8mm;
constinit const LinearKernel kLinearI8mm = {"i8mm", Isa::neon | Isa::dotprod | Isa::i8mm, run};

}  // namespace heed
