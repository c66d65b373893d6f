#pragma once
// Attention's loops, written once over a machine's vectors. A variant defines a type V (see
// attention_avx512vnni.cpp for the list of what it offers) and instantiates make_attention<V>.
//
// A block of V::kRows query rows goes over its keys once for all scores, as 16-bit steps into
// scratch; then, row by row, over the steps for their maximum and the probabilities; then over the
// values.

#include "ops/attention/attention_pack.h"

namespace heed {
namespace {

// --- the order of a tile's steps ---------------------------------------------------------------

/// key[i]: which key of a tile the i-th narrowed step belongs to. Narrowing two vectors to one, and
/// two of those to bytes, takes turns between them every four lanes on x86: kQuads quads a vector.
struct KeyOrder {
  alignas(64) int16_t key[kTile];
};
template <int32_t kQuads>
constexpr KeyOrder make_key_order() {
  KeyOrder order{};
  constexpr int32_t kVector = 4 * kQuads;
  for (int32_t i = 0; i < kTile; ++i) {
    const int32_t pair = i / (2 * kVector), in_pair = i % (2 * kVector);
    const int32_t quad = in_pair / 8, second = in_pair / 4 % 2;
    order.key[i] = static_cast<int16_t>((2 * pair + second) * kVector + quad * 4 + in_pair % 4);
  }
  return order;
}
constexpr KeyOrder natural_key_order() {
  KeyOrder order{};
  for (int32_t i = 0; i < kTile; ++i) order.key[i] = static_cast<int16_t>(i);
  return order;
}

/// What is added to the powers of a tile's keys, in the order of its steps.
struct Rounding {
  alignas(64) uint16_t nearest[kTile];
  alignas(64) uint16_t dither[kTile];
};
constexpr Rounding make_rounding(const KeyOrder& order) {
  Rounding rounding{};
  for (int32_t i = 0; i < kTile; ++i) {
    rounding.nearest[i] = 128;
    rounding.dither[i] = dither_of(static_cast<uint32_t>(order.key[i]));
  }
  return rounding;
}

// --- dot products ----------------------------------------------------------------------------

/// Work to be done in steps, and none of it.
struct NoJob {
  static constexpr bool is_done() { return true; }
  HEED_INLINE void step() {}
};
/// `job` where kWhen.
template <bool kWhen, class Job>
HEED_INLINE auto& job_if(Job& job, NoJob& none) {
  if constexpr (kWhen) {
    return job;
  } else {
    return none;
  }
}

/// R rows against C vectors of V::kLanes columns.
template <class V, int32_t R, int32_t C>
struct DotTile {
  typename V::Sums sums[R][C];

  /// Adds `groups` groups of four: group g of the rows' operands lies at a + place(g), rows a_step
  /// bytes apart; group g of block n of the columns at b + n * block_step + g * group_step. A step
  /// of `job` goes with each group until it is done.
  template <class Place, class Job>
  HEED_INLINE void add(const uint8_t* a, Place place, ptrdiff_t a_step, const int8_t* b,
                       ptrdiff_t block_step, ptrdiff_t group_step, int32_t groups, Job& job) {
    if constexpr (requires { V::kOrdered; }) {  // V has a loop of its own
      // Whose loads the compiler does not see as such: what is stored around it stays there.
      __asm__ volatile("" ::: "memory");
      V::template add_groups<R, C>(sums, a, a_step, b, group_step, groups);
      __asm__ volatile("" ::: "memory");
    } else {
      add_in_turn(a, place, a_step, b, block_step, group_step, groups, job);
    }
    // GCC 12 otherwise lets what is done with the sums next push them out of registers in the loop.
    repeat<R * C>([&](auto i) HEED_LAMBDA_INLINE { V::settle(sums[i / C][i % C]); });
  }

 private:
  static constexpr ptrdiff_t column_offset(int32_t c, ptrdiff_t block_step) {
    return (c * V::kLanes / kBlock) * block_step + (c * V::kLanes % kBlock) * 4;
  }

  template <class Place, class Job>
  HEED_INLINE void add_in_turn(const uint8_t* a, Place place, ptrdiff_t a_step, const int8_t* b,
                               ptrdiff_t block_step, ptrdiff_t group_step, int32_t groups,
                               Job& job) {
    const auto add_group = [&](int32_t g) HEED_LAMBDA_INLINE {
      typename V::Columns column[C];
      repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
        column[c] = V::columns(b + column_offset(c, block_step), group_step);
      });
      repeat<R>([&](auto r) HEED_LAMBDA_INLINE {
        const auto row = V::operand(a + place(g) + r * a_step);
        repeat<C>([&](auto c)
                      HEED_LAMBDA_INLINE { sums[r][c] = V::dot(sums[r][c], row, column[c]); });
      });
      b += group_step;
    };
    int32_t g = 0;
    for (; g < groups && !job.is_done(); ++g) {
      add_group(g);
      // Clang 14 would do the products behind the step, where registers are too few.
      repeat<R * C>([&](auto i) HEED_LAMBDA_INLINE { V::settle(sums[i / C][i % C]); });
      job.step();
    }
    for (; g < groups; ++g) add_group(g);
  }
};

struct Keys {
  const int8_t* k8;
  const float* scale;
  const int32_t* start;
  const float* offset;
  ptrdiff_t block_step;
  int32_t groups;
};

/// Added to the scores of a tile's rows 0 .. rows-1: mask[r * step + s] of keys 0 .. keys-1; or
/// null.
struct TileMask {
  const float* mask;
  ptrdiff_t step;
  int32_t rows, keys;
};

/// Logits, in steps, of R rows against the C vectors of keys from block `block` on: handed to
/// store(r, c, steps of vector c, steps of vector c + 1 or again of c).
template <class V, int32_t R, int32_t C, class Store, class Job>
HEED_INLINE void score_tile(const uint8_t* q8, ptrdiff_t q_step, const Keys& keys, int32_t block,
                            const float* row_factor, const TileMask& mask, Store store, Job& job) {
  const int32_t key = block * kBlock;
  DotTile<V, R, C> tile;
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    const auto start = V::start_scores(keys.start + key + c * V::kLanes);
    repeat<R>([&](auto r) HEED_LAMBDA_INLINE { tile.sums[r][c] = start; });
  });
  tile.add(
      q8, [](int32_t g) HEED_LAMBDA_INLINE { return g * V::kOperandBytes; }, q_step,
      keys.k8 + block * keys.block_step, keys.block_step, 64, keys.groups, job);
  typename V::F factor[C], offset[C];
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    factor[c] = V::load(keys.scale + key + c * V::kLanes);
    offset[c] = V::load(keys.offset + key + c * V::kLanes);
  });
  const auto finish = [&](auto is_masked) HEED_LAMBDA_INLINE {
    repeat<R>([&](auto r) HEED_LAMBDA_INLINE {
      const auto unit = V::set(row_factor[r]);
      const auto steps = [&](auto c) HEED_LAMBDA_INLINE {
        auto x = V::mul(V::score(tile.sums[r][c], factor[c], offset[c]), unit);
        if constexpr (is_masked > 0) {
          const float* const row = mask.mask + smaller(r, mask.rows - 1) * mask.step;
          const auto m = V::load_n(row + c * V::kLanes, mask.keys - c * V::kLanes);
          x = V::min(V::fma(m, V::set(kStepsPerUnit), x), V::set(kStepsBound));
        }
        return V::round(x);
      };
      repeat<(C + 1) / 2>([&](auto pair) HEED_LAMBDA_INLINE {
        constexpr int32_t c = 2 * pair;
        const auto first = steps(Index<c>{});
        if constexpr (c + 1 < C) {
          store(r, Index<c>{}, first, steps(Index<c + 1>{}));
        } else {
          store(r, Index<c>{}, first, first);
        }
      });
    });
  };
  if (mask.mask == nullptr) {
    finish(Index<0>{});
  } else {
    finish(Index<1>{});
  }
}

/// Rows that are quantised together.
template <class V>
constexpr int32_t kBand = kBandBlocks* V::kRows;

constexpr int32_t kRowSpace = 16;  // room for one number of each row, and a vector's store of them

/// A band of rows on its way to become bytes, a row at a time: the largest value of each, then all
/// their scales, then their bytes. Where registers allow it (V::kBeside) between the products with
/// the values of rows before.
template <class V>
class QueryJob {
 public:
  /// The band that begins at row `first`; none where there are no such rows. Rows' bytes go to q8,
  /// q8_step apart, and what their products with keys are multiplied with to `factor`.
  void begin(const AttentionArgs& args, int32_t first, uint8_t* q8, ptrdiff_t q8_step,
             float* factor) {
    q_ = x_ = args.q + first * args.q_step;
    q_step_ = args.q_step;
    width_ = args.head_width;
    rows_ = larger(smaller(kBand<V>, args.rows - first), 0);
    q8_ = q8;
    q8_step_ = q8_step;
    factor_ = factor;
    most_ = row_most_;
    stores_ = false;
    left_ = rows_ > 0 ? kBand<V> : 0;
  }
  void begin_bytes() {
    x_ = q_;
    stores_ = true;
    left_ = rows_;
  }
  HEED_INLINE bool is_done() const { return left_ == 0; }

  /// Does one row.
  HEED_INLINE void step() {
    --left_;
    if (stores_) {
      const auto times = V::set(inverse_[rows_ - 1 - left_]);
      for (int32_t d = 0; d < width_; d += Four<V>::kCount) {
        V::store_query(q8_ + d / 4 * V::kOperandBytes,
                       Four<V>::load(x_ + d, width_ - d).quantised(times));
      }
      q8_ += q8_step_;
      x_ += q_step_;
      return;
    }
    auto most = V::set(0.0f);
    for (int32_t d = 0; d < width_; d += Four<V>::kCount) {
      most = Four<V>::load(x_ + d, width_ - d).abs_max(most);
    }
    V::store(most_, most);
    most_ += V::kLanes;
    if (kBand<V> - left_ < rows_) x_ += q_step_;  // rows that do not exist are the last again
  }

  /// The rows that are left.
  __attribute__((noinline)) void finish(const AttentionArgs& args) {
    while (!is_done()) step();
    if (!stores_ && rows_ > 0) find_scales(args);
  }

 private:
  void find_scales(const AttentionArgs& args) {
    const KeysLayout layout(args.keys, args.head_width);
    const float k_scale_max = *at_byte<const float>(args.packed_keys, layout.scale_max_at);
    const auto bound = V::set(step_factor_bound(k_scale_max, args.head_width));
    alignas(64) float amax[kRowSpace];
    V::template max_of_rows<kBand<V>>(amax, row_most_);
    for (int32_t r = 0; r < rows_; r += V::kLanes) {
      typename V::F times, unit;
      quantiser<V>(V::load(amax + r), times, unit);
      V::store(inverse_ + r, times);
      const auto steps = V::mul(V::mul(unit, V::set(args.scale)), V::set(kStepsPerUnit));
      V::store(factor_ + r, V::min(steps, bound));
    }
  }

  alignas(64) float row_most_[kBand<V> * V::kLanes];
  alignas(64) float inverse_[kRowSpace];
  const float* q_;
  const float* x_;  // the next row
  ptrdiff_t q_step_;
  uint8_t* q8_;
  ptrdiff_t q8_step_;
  float* factor_;
  float* most_;
  int32_t width_, rows_;
  int32_t left_;
  bool stores_;
};

struct Values {
  const int8_t* v8;  // first group to visit
  const float* scale;
  const int32_t* sum_begin;  // sums over the keys before those visited, and over those too
  const int32_t* sum_end;
  ptrdiff_t group_step;
  int32_t groups;
};

/// Output channels of C vectors from `channel` on, of `rows` <= R rows; `width` channels exist.
/// Some of `queries` beside them.
template <class V, int32_t R, int32_t C>
void value_tile(const uint8_t* p8, ptrdiff_t p_step, const Values& values, int32_t channel,
                const float* inverse, int32_t rows, int32_t width, float* y, ptrdiff_t y_step,
                QueryJob<V>& queries) {
  NoJob none;
  DotTile<V, R, C> tile;
  repeat<R * C>([&](auto i) HEED_LAMBDA_INLINE { tile.sums[i / C][i % C] = V::start_values(); });
  tile.add(
      p8,
      [](int32_t g)
          HEED_LAMBDA_INLINE { return g / 16 * V::kProbabilityTile + V::kProbabilityAt[g % 16]; },
      p_step, values.v8 + channel * 4, 64, values.group_step, values.groups,
      job_if<(V::kBeside && R == V::kRows && C > 1)>(queries, none));
  typename V::F scale[C];
  repeat<C>([&](auto c)
                HEED_LAMBDA_INLINE { scale[c] = V::load(values.scale + channel + c * V::kLanes); });
  const bool whole = width - channel >= C * V::kLanes;
  alignas(64) float part[R * C * V::kLanes];
  float* const out = whole ? y + channel : part;
  const ptrdiff_t step = whole ? y_step : C * V::kLanes;
  // Downwards, with rows that do not exist in the place of the last: what they leave there is
  // overwritten, and no branch keeps the sums from staying in registers.
  repeat<R>([&](auto i) HEED_LAMBDA_INLINE {
    constexpr int32_t r = R - 1 - i;
    const int32_t row = smaller(r, rows - 1);
    const auto share = V::set(inverse[row]);
    repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
      const int32_t at = channel + c * V::kLanes;
      const auto sum = V::weighted(tile.sums[r][c], values.sum_begin + at, values.sum_end + at);
      V::store(out + row * step + c * V::kLanes, V::mul(V::mul(sum, share), scale[c]));
    });
  });
  for (int32_t row = 0; !whole && row < rows; ++row) {
    memcpy(y + row * y_step + channel, part + row * step, sizeof(float) * (width - channel));
  }
}

// --- probabilities ---------------------------------------------------------------------------

/// Steps of several rows on their way to become probabilities, a tile at a time: where registers
/// allow it (V::kBeside) between the products of the next rows, whose units it does not need.
template <class V>
class SoftmaxJob {
 public:
  SoftmaxJob() = default;
  /// Rows steps_step apart, from the first tile in sight on; most[r]: the largest step of row r.
  SoftmaxJob(int16_t* steps, uint8_t* p8, ptrdiff_t row_bytes, const int32_t* most, int32_t rows,
             int32_t tiles, bool dither)
      : steps_(steps),
        p8_(p8),
        row_bytes_(row_bytes),
        most_(most),
        rounding_(dither ? V::kRounding.dither : V::kRounding.nearest),
        tiles_(tiles),
        rows_left_(tiles > 0 ? rows : 0) {}

  HEED_INLINE bool is_done() const { return rows_left_ == 0; }

  /// Does one tile of one row.
  HEED_INLINE void step() {
    const typename V::Softmax softmax(static_cast<int16_t>(*most_));
    const int16_t* const from = steps_ + tile_ * kTile;
    uint8_t* const to = p8_ + tile_ * V::kProbabilityTile;
    repeat<kTile / (4 * V::kLanes)>([&](auto i) HEED_LAMBDA_INLINE {
      constexpr int32_t low = i * 4 * V::kLanes, high = low + 2 * V::kLanes;
      V::put_probabilities(to + i * V::kLanes * V::kOperandBytes,
                           softmax.powers(V::load(from + low), rounding_ + low),
                           softmax.powers(V::load(from + high), rounding_ + high));
    });
    if (++tile_ < tiles_) return;
    tile_ = 0;
    --rows_left_;
    ++most_;
    p8_ += row_bytes_;
    steps_ += row_bytes_ / 2;
  }

 private:
  int16_t* steps_ = nullptr;
  uint8_t* p8_ = nullptr;
  ptrdiff_t row_bytes_ = 0;
  const int32_t* most_ = nullptr;
  const uint16_t* rounding_ = nullptr;
  int32_t tiles_ = 0, rows_left_ = 0, tile_ = 0;
};

/// Scores into scratch as 16-bit steps, rows out_step apart, and their maxima so far into R vectors
/// at `most`; some of `job` beside them.
template <class V, int32_t R, int32_t C>
void narrow_tile(const uint8_t* q8, ptrdiff_t q_step, const Keys& keys, int32_t block,
                 const float* row_factor, const TileMask& mask, int16_t* out, ptrdiff_t out_step,
                 int16_t* most, SoftmaxJob<V>& job) {
  NoJob none;
  typename V::T row_most = V::lowest_steps();
  score_tile<V, R, C>(
      q8, q_step, keys, block, row_factor, mask,
      [&](auto r, auto c, auto first, auto second) HEED_LAMBDA_INLINE {
        const auto steps = V::narrow(first, second);
        V::store(out + r * out_step + c * V::kLanes, steps);
        if constexpr (c == 0) row_most = V::load(most + r * 2 * V::kLanes);
        row_most = V::larger_steps(row_most, steps);
        if constexpr (c + 2 >= C) V::store(most + r * 2 * V::kLanes, row_most);
      },
      job_if<(V::kBeside && R == V::kRows && C == V::kBlocks * kBlock / V::kLanes)>(job, none));
}

// --- a block of query rows -------------------------------------------------------------------

/// What a block of rows sees and where its scratch lies.
struct Block {
  int32_t first, rows;           // of the call
  const uint8_t* q8;             // quantised
  const float* factor;           // of each row: steps per unit of a product times its key's scale
  int32_t begin, end;            // keys that any of its rows may see; begin is a multiple of kTile
  int32_t open_begin, open_end;  // keys that all of them see, and copies of the last
  bool sees_all;                 // all rows see all keys, and V::kCounts: nothing is to be hidden
  int16_t* steps;                // of key 0; a tile's probabilities lie at its front
  ptrdiff_t steps_step;          // int16s
  int32_t most[kRowSpace];       // the largest step of each row

  /// No score of the tile must be kept out of a maximum.
  bool is_open(int32_t tile) const { return tile >= open_begin && tile + kTile <= open_end; }
};

struct Range {
  int32_t begin, end;
};
HEED_INLINE Range visible_keys(const AttentionArgs& args, int32_t row) {
  const int32_t end = args.causal ? args.position + row + 1 : args.keys;
  return {args.window > 0 ? larger(end - args.window, 0) : 0, smaller(end, args.keys)};
}

HEED_INLINE Keys keys_of(const AttentionArgs& args) {
  const KeysLayout layout(args.keys, args.head_width);
  return {at_byte<const int8_t>(args.packed_keys, 0),
          at_byte<const float>(args.packed_keys, layout.scale_at),
          at_byte<const int32_t>(args.packed_keys, layout.start_at),
          at_byte<const float>(args.packed_keys, layout.offset_at),
          static_cast<ptrdiff_t>(layout.groups) * 64,
          layout.groups};
}

HEED_INLINE TileMask mask_of(const AttentionArgs& args, int32_t row, int32_t rows, int32_t key) {
  if (args.mask == nullptr) return {nullptr, 0, 0, 0};
  return {args.mask + row * args.mask_step + key, args.mask_step, rows, args.keys - key};
}

/// The steps of all keys in sight of the block, and the rows' maxima over its open tiles, a vector
/// each. R may exceed its rows: what those give is not used.
template <class V, int32_t R>
__attribute__((noinline)) void score_keys(const AttentionArgs& args, ptrdiff_t q_step,
                                          const Block& block, int16_t* most, SoftmaxJob<V>& job) {
  alignas(64) int16_t aside[kRowsMax * 2 * V::kLanes];
  for (int32_t r = 0; r < R; ++r) {
    V::store(most + r * 2 * V::kLanes, V::lowest_steps());
    V::store(aside + r * 2 * V::kLanes, V::lowest_steps());
  }
  constexpr int32_t kVectors = kBlock / V::kLanes;  // of one block
  const Keys keys = keys_of(args);
  int32_t at = block.begin / kBlock;
  const int32_t last = divide_up(block.end, kBlock);
  const auto score = [&](auto count) HEED_LAMBDA_INLINE {
    narrow_tile<V, R, count * kVectors>(
        block.q8, q_step, keys, at, block.factor,
        mask_of(args, block.first, block.rows, at * kBlock), block.steps + at * kBlock,
        block.steps_step, block.is_open(at * kBlock / kTile * kTile) ? most : aside, job);
    at += count;
  };
  if constexpr (V::kBlocks >= 4) {
    while (at + 4 <= last) score(Index<4>{});
    if (at + 2 <= last) score(Index<2>{});
  }
  while (at < last) score(Index<1>{});
}

/// Keys of a tile outside of what `rows` rows see get the lowest steps there are.
template <class V>
HEED_INLINE void hide_keys(int16_t* tile, ptrdiff_t step, int32_t rows, int32_t begin,
                           int32_t end) {
  repeat<kTile / (2 * V::kLanes)>([&](auto i) HEED_LAMBDA_INLINE {
    constexpr int32_t at = i * 2 * V::kLanes;
    const auto key = V::load(V::kKeyAt.key + at);
    for (int32_t r = 0; r < rows; ++r) {
      int16_t* const steps = tile + r * step + at;
      V::store(steps, V::keep_between(V::load(steps), key, begin, end));
    }
  });
}

/// A row whose steps do not fit in 16 bits: computed again, in 32, and stored as their distance to
/// the largest, which becomes INT16_MAX. Rare: logits beyond 350, or a row that sees nothing.
template <class V>
void score_wide(const AttentionArgs& args, const Block& block, int32_t r, int32_t* wide,
                const uint8_t* q8, Range seen) {
  int16_t* const steps = block.steps + r * block.steps_step;
  constexpr int32_t kVectors = kBlock / V::kLanes;
  const Keys keys = keys_of(args);
  NoJob none;
  for (int32_t at = block.begin / kBlock; at * kBlock < block.end; ++at) {
    int32_t* const out = wide + at * kBlock;
    score_tile<V, 1, kVectors>(
        q8, 0, keys, at, block.factor + r, mask_of(args, block.first + r, 1, at * kBlock),
        [&](auto, auto c, auto first, auto second) HEED_LAMBDA_INLINE {
          V::store(out + c * V::kLanes, first);
          if constexpr (c + 1 < kVectors) V::store(out + (c + 1) * V::kLanes, second);
        },
        none);
  }
  const float* const mask =
      args.mask == nullptr ? nullptr : args.mask + (block.first + r) * args.mask_step;
  const int32_t begin = larger(seen.begin, block.begin), end = smaller(seen.end, block.end);
  const auto is_seen = [&](int32_t key) {
    return key >= begin && key < end && !(mask != nullptr && mask[key] == -INFINITY);
  };
  int32_t most = kStepsNone;
  for (int32_t key = begin; key < end; ++key) {
    int32_t& t = wide[key];
    t = larger(t, -static_cast<int32_t>(kStepsBound));
    if (is_seen(key)) most = larger(most, t);
  }
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    for (int32_t i = 0; i < kTile; ++i) {
      const int32_t key = tile + V::kKeyAt.key[i];
      const int64_t below = is_seen(key) ? int64_t{most} - wide[key] : UINT16_MAX;
      steps[tile + i] = static_cast<int16_t>(INT16_MAX - (below < UINT16_MAX ? below : UINT16_MAX));
    }
  }
}

/// Hides what `rows` rows do not see, all of them the same, and brings their maxima at `most`,
/// which are those of open tiles, up to date.
template <class V>
void hide_unseen(const Block& block, int16_t* steps, int32_t rows, int16_t* most, Range seen) {
  // Between `first` and `last` all tiles are open and in sight.
  const int32_t first = round_up(larger(seen.begin, block.open_begin), kTile);
  const int32_t last = smaller(seen.end, block.open_end) / kTile * kTile;
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    if (tile == first && first < last) tile = last;
    if (tile >= block.end) break;
    hide_keys<V>(steps + tile, block.steps_step, rows, seen.begin - tile, seen.end - tile);
    if (block.is_open(tile)) continue;
    for (int32_t r = 0; r < rows; ++r) {
      auto largest = V::load(most + r * 2 * V::kLanes);
      repeat<kTile / (2 * V::kLanes)>([&](auto i) HEED_LAMBDA_INLINE {
        largest = V::larger_steps(largest,
                                  V::load(steps + r * block.steps_step + tile + i * 2 * V::kLanes));
      });
      V::store(most + r * 2 * V::kLanes, largest);
    }
  }
}

template <class V>
void find_most(const AttentionArgs& args, Block& block, int16_t* most, int32_t* wide,
               ptrdiff_t q_step) {
  const int32_t alike = args.causal ? 1 : block.rows;
  for (int32_t r = 0; !block.sees_all && r < block.rows; r += alike) {
    hide_unseen<V>(block, block.steps + r * block.steps_step, alike, most + r * 2 * V::kLanes,
                   visible_keys(args, block.first + r));
  }
  V::max_steps_of_rows(most, block.rows, block.most);
  for (int32_t r = 0; r < block.rows; ++r) {
    if (block.most[r] >= kNarrowMin && block.most[r] <= kNarrowMax) continue;
    score_wide<V>(args, block, r, wide, block.q8 + r * q_step, visible_keys(args, block.first + r));
    block.most[r] = INT16_MAX;
  }
}

template <class V>
SoftmaxJob<V> softmax_of(const Block& block, int32_t keys) {
  auto* const p8 = reinterpret_cast<uint8_t*>(block.steps);
  return {block.steps + block.begin,
          p8 + block.begin / kTile * V::kProbabilityTile,
          block.steps_step * 2,
          block.most,
          block.rows,
          divide_up(block.end - block.begin, kTile),
          keys >= kAttentionDitherKeys};
}

/// How many times the probabilities of a tile count, where only its first `keys` keys do.
template <class V>
struct Counts {
  alignas(64) uint8_t times[V::kProbabilityTile];

  void set(int32_t keys) {
    alignas(64) int16_t steps[kTile];
    for (int32_t i = 0; i < kTile; ++i) steps[i] = V::kKeyAt.key[i] < keys ? INT16_MAX : INT16_MIN;
    const int32_t most = INT16_MAX;
    SoftmaxJob<V>(steps, times, 0, &most, 1, 1, false).step();  // 255 or 0
    for (uint8_t& t : times) t &= 1;
  }
};

/// inverse[r] = 1 / sum of row r's probabilities, or 0. Where rows see all keys, the last tile
/// still holds those of copies, which find only zeros among the values: `last` keeps them out. R
/// may exceed the block's rows. A function of its own: beside it GCC 12 would keep the sums of
/// NEON's value tiles in memory.
template <class V, int32_t R>
__attribute__((noinline)) void invert_sums(const Block& block, const Counts<V>& last,
                                           float* inverse) {
  const auto* const p8 =
      reinterpret_cast<const uint8_t*>(block.steps) + block.begin / kTile * V::kProbabilityTile;
  int32_t tiles = divide_up(block.end - block.begin, kTile);
  typename V::I total[R];
  repeat<R>([&](auto r) HEED_LAMBDA_INLINE { total[r] = V::zero(); });
  const auto tile = [&](auto r, int32_t i) HEED_LAMBDA_INLINE {
    return p8 + r * block.steps_step * 2 + i * V::kProbabilityTile;
  };
  if constexpr (V::kCounts) {
    if (block.sees_all) {
      --tiles;
      repeat<R>([&](auto r) HEED_LAMBDA_INLINE {
        total[r] = V::add_probabilities(total[r], tile(r, tiles), last.times);
      });
    }
  }
  for (int32_t i = 0; i < tiles; ++i) {
    repeat<R>([&](auto r)
                  HEED_LAMBDA_INLINE { total[r] = V::add_probabilities(total[r], tile(r, i)); });
  }
  alignas(64) int32_t totals[kRowsMax * V::kLanes];
  alignas(64) int32_t sum[kRowSpace] = {};
  repeat<R>([&](auto r) HEED_LAMBDA_INLINE { V::store(totals + r * V::kLanes, total[r]); });
  V::row_sums(totals, R, sum);
  for (int32_t r = 0; r < R; r += V::kLanes) {
    const auto whole = V::to_float(V::load(sum + r));
    const auto none = V::set(0.0f);
    V::store(inverse + r, V::where_less(none, whole, V::div(V::set(1.0f), whole), none));
  }
}

template <class V, int32_t R>
void weigh_values(const AttentionArgs& args, const Block& block, const float* inverse,
                  QueryJob<V>& queries) {
  constexpr int32_t kVectors = kBlock / V::kLanes;
  const ValuesLayout layout(args.keys, args.value_width);
  const int32_t row_width = layout.blocks * kBlock;
  const int32_t tile_begin = block.begin / kTile;
  const int32_t tile_end = larger(divide_up(block.end, kTile), tile_begin);
  const int32_t group_begin = tile_begin * (kTile / 4);
  const auto* const sums = at_byte<const int32_t>(args.packed_values, layout.sum_at);
  const Values values = {
      at_byte<const int8_t>(args.packed_values, static_cast<size_t>(group_begin) * row_width * 4),
      at_byte<const float>(args.packed_values, layout.scale_at),
      sums + static_cast<ptrdiff_t>(tile_begin) * row_width,
      sums + static_cast<ptrdiff_t>(tile_end) * row_width,
      static_cast<ptrdiff_t>(row_width) * 4,
      larger(smaller(tile_end * (kTile / 4), layout.groups) - group_begin, 0)};
  const uint8_t* const p8 =
      reinterpret_cast<const uint8_t*>(block.steps) + tile_begin * V::kProbabilityTile;
  float* const y = args.y + block.first * args.y_step;
  int32_t at = 0;
  const auto weigh = [&](auto count) HEED_LAMBDA_INLINE {
    value_tile<V, R, count * kVectors>(p8, block.steps_step * 2, values, at * kBlock, inverse,
                                       block.rows, args.value_width, y, args.y_step, queries);
    at += count;
  };
  if constexpr (V::kBlocks >= 4) {
    while (at + 4 <= layout.blocks) weigh(Index<4>{});
    if (at + 2 <= layout.blocks) weigh(Index<2>{});
  }
  while (at < layout.blocks) weigh(Index<1>{});
}

/// p / sum p of all keys, from a row's probabilities; zeros outside of those in sight.
template <class V>
void write_map(const Block& block, const int16_t* steps, int32_t keys, float inverse, float* map) {
  const auto* const p8 = reinterpret_cast<const uint8_t*>(steps);
  const int32_t end = smaller(block.end, keys);
  for (int32_t s = 0; s < smaller(block.begin, keys); ++s) map[s] = 0.0f;
  for (int32_t s = larger(end, 0); s < keys; ++s) map[s] = 0.0f;
  alignas(64) float part[kBlock];
  for (int32_t s = block.begin; s < end; s += kBlock) {
    const uint8_t* const tile = p8 + s / kTile * V::kProbabilityTile;
    const bool whole = end - s >= kBlock;
    V::map_block(tile, s % kTile / 4, V::set(inverse), whole ? map + s : part);
    for (int32_t i = 0; !whole && i < end - s; ++i) map[s + i] = part[i];
  }
}

/// body(Index<R>) with R of V::kRows or, for few `rows`, half of that.
template <class V, class Body>
HEED_INLINE void with_rows(int32_t rows, Body body) {
  constexpr int32_t kHalf = larger(V::kRows / 2, 1);
  if (kHalf < V::kRows && rows <= kHalf) {
    body(Index<kHalf>{});
  } else {
    body(Index<V::kRows>{});
  }
}

/// What is left of a block once its scores are known.
template <class V>
void finish_block(const AttentionArgs& args, const Block& block, const Counts<V>& last,
                  SoftmaxJob<V>& job, QueryJob<V>& queries) {
  while (!job.is_done()) job.step();
  alignas(64) float inverse[kRowSpace];
  with_rows<V>(block.rows, [&](auto count) { invert_sums<V, count>(block, last, inverse); });
  for (int32_t r = 0; args.map != nullptr && r < block.rows; ++r) {
    write_map<V>(block, block.steps + r * block.steps_step, args.keys, inverse[r],
                 args.map + (block.first + r) * args.map_step);
  }
  with_rows<V>(block.rows,
               [&](auto count) { weigh_values<V, count>(args, block, inverse, queries); });
}

/// The block that begins at row `first`, and what it sees.
template <class V>
void begin_block(const AttentionArgs& args, int32_t first, Block& block) {
  block.first = first;
  block.rows = smaller(V::kRows, args.rows - first);
  const Range top = visible_keys(args, first);
  const Range bottom = visible_keys(args, first + block.rows - 1);
  block.begin = top.begin / kTile * kTile;
  block.end = bottom.end;
  if (block.begin >= block.end) block.begin = block.end = 0;  // nothing in sight
  block.open_begin = bottom.begin;
  const bool copies_change_nothing = top.end == args.keys && args.mask == nullptr;
  block.open_end = copies_change_nothing ? round_up(args.keys, kTile) : top.end;
  block.sees_all = V::kCounts && copies_change_nothing && bottom.begin == 0;
}

/// Two blocks are in hand at a time, so that none waits for its own last result: while the scores
/// of one are computed, the steps of the one before become probabilities, and while the values of
/// that one are added up, the queries of the next band become bytes: a band's first block finds
/// their scales, its second stores them.
template <class V>
void run(const AttentionArgs& args, void* scratch) {
  static_assert(kBandBlocks == 2);
  const ScratchLayout layout(args.keys, args.head_width);
  auto* const wide = at_byte<int32_t>(scratch, layout.wide_at);
  const auto q_step = static_cast<ptrdiff_t>(layout.query_step);
  alignas(64) int16_t most[kRowsMax * 2 * V::kLanes];
  alignas(64) float factor[2 * kRowSpace];
  const auto odd_band = [](int32_t row) { return row / kBand<V> % 2; };
  const auto q8_of = [&](int32_t row) {
    const int32_t slot = odd_band(row) * kBandBlocks * kRowsMax + row % kBand<V>;
    return at_byte<uint8_t>(scratch, 0) + slot * q_step;
  };
  const auto factor_of = [&](int32_t row) {
    return factor + odd_band(row) * kRowSpace + row % kBand<V>;
  };
  QueryJob<V> queries;
  const auto begin_queries = [&](int32_t row) {
    queries.begin(args, row, q8_of(row), q_step, factor_of(row));
  };
  begin_queries(0);
  queries.finish(args);
  queries.begin_bytes();
  queries.finish(args);
  Counts<V> last;
  if constexpr (V::kCounts) last.set(args.keys - (args.keys - 1) / kTile * kTile);
  Block blocks[2];
  SoftmaxJob<V> job;
  int32_t turn = 0;
  for (int32_t first = 0; first < args.rows; first += V::kRows, turn = 1 - turn) {
    Block& block = blocks[turn];
    begin_block<V>(args, first, block);
    block.q8 = q8_of(first);
    block.factor = factor_of(first);
    block.steps = at_byte<int16_t>(
        scratch, layout.steps_at + static_cast<size_t>(turn) * layout.steps_step * kRowsMax);
    block.steps_step = static_cast<ptrdiff_t>(layout.steps_step / 2);
    with_rows<V>(block.rows,
                 [&](auto count) { score_keys<V, count>(args, q_step, block, most, job); });
    first % kBand<V> == 0 ? begin_queries(first + kBand<V>) : queries.begin_bytes();
    if (first > 0) finish_block<V>(args, blocks[1 - turn], last, job, queries);
    queries.finish(args);
    find_most<V>(args, block, most, wide, q_step);
    job = softmax_of<V>(block, args.keys);
  }
  finish_block<V>(args, blocks[1 - turn], last, job, queries);
}

template <class V>
constexpr AttentionKernel make_attention(const char* name, IsaSet isa) {
  static_assert(V::kRows <= kRowsMax && kBlock % V::kLanes == 0);
  return {name, isa, pack_keys<V>, pack_values<V>, run<V>};
}

}  // namespace
}  // namespace heed
