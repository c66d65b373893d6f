#pragma once
// Attention's loops, written once over a machine's vectors. A variant defines a type V (see
// attention_avx512vnni.cpp for the list of what it offers) and instantiates make_attention<V>.
//
// A block of V::kRows query rows goes over its keys once for all scores, as 16-bit steps into
// scratch; then, row by row, over the steps for their maximum and the probabilities; then over the
// values.

#include <math.h>
#include <string.h>

#include "ops/attention/attention.h"
#include "ops/attention/attention_layout.h"

// Attributes only: everything below the entry points is one body per variant.
#define HEED_INLINE inline __attribute__((always_inline))
#define HEED_LAMBDA_INLINE __attribute__((always_inline))

namespace heed {
namespace {

template <int32_t N>
struct Index {
  constexpr operator int32_t() const { return N; }
};

/// body(Index<0>), ..., body(Index<N-1>): unrolled before the optimiser looks, so that arrays
/// indexed by it become registers.
template <int32_t N, class Body>
HEED_INLINE void repeat(Body body) {
  if constexpr (N > 1) repeat<N - 1>(body);
  body(Index<N - 1>{});
}

constexpr int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
constexpr int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

template <class T>
HEED_INLINE T* at_byte(const void* base, size_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(const_cast<void*>(base)) + offset);
}

/// inverse = 127 / amax and scale = amax / 127, or 0 and 1 for a group that counts as zero.
template <class V>
HEED_INLINE void quantiser(typename V::F amax, typename V::F& inverse, typename V::F& scale) {
  const auto tiny = V::set(kTiny);
  inverse = V::where_less(amax, tiny, V::set(0.0f), V::div(V::set(127.0f), amax));
  scale = V::where_less(amax, tiny, V::set(1.0f), V::div(amax, V::set(127.0f)));
}

/// Largest |x[i] - mean[i]| of a row.
template <class V, bool kCentred>
HEED_INLINE typename V::F row_amax(const float* x, const float* mean, int32_t width) {
  auto amax = V::set(0.0f);
  int32_t i = 0;
  for (; i + V::kLanes <= width; i += V::kLanes) {
    auto value = V::load(x + i);
    if constexpr (kCentred) value = V::sub(value, V::load(mean + i));
    amax = V::abs_max(amax, value);
  }
  if (i < width) {
    auto value = V::load_n(x + i, width - i);
    if constexpr (kCentred) value = V::sub(value, V::load(mean + i));
    amax = V::abs_max(amax, value);
  }
  return amax;
}

/// Four quarters of a tile, quantised and joined: lanes `first` .. of elements 0 .. width-1 of x.
template <class V, bool kCentred, bool kFull>
HEED_INLINE typename V::I quantised_lanes(const float* x, const float* mean, int32_t first,
                                          int32_t step, int32_t width, typename V::F inverse) {
  typename V::I q[4];
  repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
    const int32_t at = first + j * step;
    auto value = kFull ? V::load(x + at) : V::load_n(x + at, width - at);
    if constexpr (kCentred) value = V::sub(value, V::load(mean + at));
    q[j] = V::quantise(value, inverse);
  });
  return V::bytes(q[0], q[1], q[2], q[3]);
}

/// A whole row, handed to store(lane, bytes) in groups of V::kLanes lanes; up to V::kLanes - 1
/// lanes past the last are stored too.
template <class V, bool kCentred, class Store>
HEED_INLINE void quantise_row(const float* x, const float* mean, int32_t width,
                              typename V::F inverse, Store store) {
  int32_t tile = 0;
  for (; tile + kTile <= width; tile += kTile) {
    for (int32_t i = 0; i < kTileLanes; i += V::kLanes) {
      store(tile / 4 + i,
            quantised_lanes<V, kCentred, true>(x, mean, tile + i, kTileLanes, width, inverse));
    }
  }
  if (tile == width) return;
  const int32_t lanes = tile_lanes(tile, width);
  for (int32_t i = 0; i < lanes; i += V::kLanes) {
    store(tile / 4 + i,
          quantised_lanes<V, kCentred, false>(x, mean, tile + i, lanes, width, inverse));
  }
}

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

// --- packing ---------------------------------------------------------------------------------

constexpr int32_t kMeanSpace = kAttentionWidthMax + kTile;  // whole vectors may be read at its end

template <class V>
void key_mean(const AttentionRows& keys, float* mean) {
  const auto share = V::set(1.0f / static_cast<float>(keys.keys));
  int32_t d = 0;
  for (; d + 4 * V::kLanes <= keys.width; d += 4 * V::kLanes) {
    typename V::F sum[4];
    repeat<4>([&](auto j) HEED_LAMBDA_INLINE { sum[j] = V::set(0.0f); });
    for (int32_t s = 0; s < keys.keys; ++s) {
      const float* const x = keys.x + s * keys.step + d;
      repeat<4>([&](auto j)
                    HEED_LAMBDA_INLINE { sum[j] = V::add(sum[j], V::load(x + j * V::kLanes)); });
    }
    repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
      V::store(mean + d + j * V::kLanes, V::mul(sum[j], share));
    });
  }
  for (; d < keys.width; d += V::kLanes) {
    auto sum = V::set(0.0f);
    for (int32_t s = 0; s < keys.keys; ++s) {
      sum = V::add(sum, V::load_n(keys.x + s * keys.step + d, keys.width - d));
    }
    V::store(mean + d, V::mul(sum, share));
  }
}

template <class V>
void pack_keys(const AttentionRows& keys, bool subtract_mean, void* packed) {
  constexpr int32_t kStep = kAttentionWidthMax / 4 + 16;
  const KeysLayout layout(keys.keys, keys.width);
  alignas(64) float mean[kMeanSpace];
  alignas(64) int32_t rows[kBlock * kStep];
  alignas(64) float amax[kBlock], inverse[kBlock];
  memset(mean, 0, sizeof(mean));
  if (subtract_mean) key_mean<V>(keys, mean);
  auto scale_max = V::set(0.0f);
  for (int32_t block = 0; block < layout.blocks; ++block) {
    const float* const x = keys.x + static_cast<ptrdiff_t>(block) * kBlock * keys.step;
    const int32_t last = smaller(kBlock, keys.keys - block * kBlock) - 1;
    auto* const k8 = at_byte<int32_t>(packed, static_cast<size_t>(block) * layout.groups * 64);
    auto* const scale = at_byte<float>(packed, layout.scale_at) + block * kBlock;
    auto* const sum = at_byte<int32_t>(packed, layout.sum_at) + block * kBlock;
    V::max_of_rows(amax, [&](int32_t n) HEED_LAMBDA_INLINE {
      return row_amax<V, true>(x + smaller(n, last) * keys.step, mean, keys.width);
    });
    for (int32_t n = 0; n < kBlock; n += V::kLanes) {
      typename V::F factor, unit;
      quantiser<V>(V::load(amax + n), factor, unit);
      V::store(inverse + n, factor);
      V::store(scale + n, V::drop_two_bits(unit));
      scale_max = V::max(scale_max, V::drop_two_bits(unit));
    }
    for (int32_t n = 0; n < kBlock; ++n) {
      int32_t* const row = rows + n * kStep;
      quantise_row<V, true>(x + smaller(n, last) * keys.step, mean, keys.width, V::set(inverse[n]),
                            [&](int32_t lane, auto bytes)
                                HEED_LAMBDA_INLINE { V::store(row + lane, bytes); });
    }
    V::transpose(rows, kStep, k8, layout.groups);
    for (int32_t n = 0; n < kBlock; n += V::kLanes) {
      auto total = V::zero();
      for (int32_t g = 0; g < layout.groups; ++g) {
        total = V::add_signed(total, V::load(k8 + g * kBlock + n));
      }
      V::store(sum + n, total);
    }
  }
  auto* const largest = at_byte<float>(packed, layout.scale_max_at);
  for (int32_t n = 0; n < kBlock; n += V::kLanes)
    V::store(largest + n, V::set(V::max_lanes(scale_max)));
}

/// C vectors of channels over all keys; all of them exist where kFull.
template <class V, int32_t C, bool kFull>
void pack_value_channels(const AttentionRows& values, int32_t channel, void* packed) {
  constexpr int32_t kChains = C == 1 ? 4 : 2;  // independent maxima of one vector
  const ValuesLayout layout(values.keys, values.width);
  const int32_t row_width = layout.blocks * kBlock;
  const float* const x = values.x + channel;
  const auto load = [&](int32_t s, int32_t c) HEED_LAMBDA_INLINE {
    const float* const at = x + s * values.step + c * V::kLanes;
    return kFull ? V::load(at) : V::load_n(at, values.width - channel - c * V::kLanes);
  };
  typename V::F amax[C * kChains], inverse[C];
  repeat<C * kChains>([&](auto i) HEED_LAMBDA_INLINE { amax[i] = V::set(0.0f); });
  int32_t s = 0;
  for (; s + kChains <= values.keys; s += kChains) {
    repeat<C * kChains>(
        [&](auto i) HEED_LAMBDA_INLINE { amax[i] = V::abs_max(amax[i], load(s + i / C, i % C)); });
  }
  for (; s < values.keys; ++s) {
    repeat<C>([&](auto c) HEED_LAMBDA_INLINE { amax[c] = V::abs_max(amax[c], load(s, c)); });
  }
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    repeat<kChains - 1>(
        [&](auto i) HEED_LAMBDA_INLINE { amax[c] = V::max(amax[c], amax[c + (i + 1) * C]); });
    typename V::F scale;
    quantiser<V>(amax[c], inverse[c], scale);
    V::store(at_byte<float>(packed, layout.scale_at) + channel + c * V::kLanes, scale);
  });

  auto* v8 = static_cast<int32_t*>(packed) + channel;
  auto* sum = at_byte<int32_t>(packed, layout.sum_at) + channel;
  typename V::I total[C];
  const auto store_sums = [&]() HEED_LAMBDA_INLINE {
    repeat<C>([&](auto c) HEED_LAMBDA_INLINE { V::store(sum + c * V::kLanes, total[c]); });
    sum += row_width;
  };
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE { total[c] = V::zero(); });
  store_sums();
  for (int32_t tile = 0; tile < values.keys; tile += kTile) {
    for (int32_t i = tile; i < smaller(tile + kTile, values.keys); i += 4) {
      repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
        typename V::I q[4];
        repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
          q[j] = i + j < values.keys ? V::quantise(load(i + j, c), inverse[c]) : V::zero();
        });
        const auto bytes = V::bytes(q[0], q[1], q[2], q[3]);
        V::store(v8 + c * V::kLanes, bytes);
        total[c] = V::add_signed(total[c], bytes);
      });
      v8 += row_width;
    }
    store_sums();
  }
}

template <class V>
void pack_values(const AttentionRows& values, void* packed) {
  const int32_t width = round_up(values.width, kBlock);
  int32_t d = 0;
  for (; d + 4 * V::kLanes <= values.width; d += 4 * V::kLanes) {
    pack_value_channels<V, 4, true>(values, d, packed);
  }
  for (; d < width; d += V::kLanes) pack_value_channels<V, 1, false>(values, d, packed);
}

// V::max_of_rows and row_sums for machines that have nothing better than one at a time.
template <class V, class Row>
HEED_INLINE void max_one_by_one(float* out, Row row) {
  for (int32_t n = 0; n < kBlock; ++n) out[n] = V::max_lanes(row(n));
}
template <class V>
HEED_INLINE void row_sums_one_by_one(const int32_t* rows, int32_t count, int32_t* out) {
  for (int32_t r = 0; r < count; ++r) out[r] = V::sum_lanes(V::load(rows + r * V::kLanes));
}

/// V::transpose from V::transpose4: 16 rows of `groups` lanes become `groups` rows of 16 keys.
template <class V>
HEED_INLINE void transpose_by_four(const int32_t* rows, int32_t step, int32_t* out,
                                   int32_t groups) {
  int32_t g = 0;
  for (; g + 4 <= groups; g += 4) {
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      V::transpose4(rows + 4 * i * step + g, step, out + g * kBlock + 4 * i);
    });
  }
  for (; g < groups; ++g) {
    for (int32_t n = 0; n < kBlock; ++n) out[g * kBlock + n] = rows[n * step + g];
  }
}

// --- dot products ----------------------------------------------------------------------------

/// R rows against C vectors of V::kLanes columns.
template <class V, int32_t R, int32_t C>
struct DotTile {
  typename V::Sums sums[R][C];

  /// Adds `groups` groups of four: group g of the rows' operands lies at a + place(g), rows a_step
  /// bytes apart; group g of block n of the columns at b + n * block_step + g * group_step.
  template <class Place>
  HEED_INLINE void add(const uint8_t* a, Place place, ptrdiff_t a_step, const int8_t* b,
                       ptrdiff_t block_step, ptrdiff_t group_step, int32_t groups) {
    int32_t g = 0;
    for (; g + V::kGroups <= groups; g += V::kGroups) {
      add_groups(a + place(g), a_step, [&](auto c) HEED_LAMBDA_INLINE {
        return V::columns(b + column_offset(c, block_step), group_step);
      });
      b += V::kGroups * group_step;
    }
    if constexpr (V::kGroups > 1) {
      if (g < groups) {
        add_groups(a + place(g), a_step, [&](auto c) HEED_LAMBDA_INLINE {
          return V::last_columns(b + column_offset(c, block_step), group_step, groups - g);
        });
      }
    }
    // GCC 12 otherwise lets what is done with the sums next push them out of registers in the loop.
    repeat<R * C>([&](auto i) HEED_LAMBDA_INLINE { V::settle(sums[i / C][i % C]); });
  }

 private:
  static constexpr ptrdiff_t column_offset(int32_t c, ptrdiff_t block_step) {
    return (c * V::kLanes / kBlock) * block_step + (c * V::kLanes % kBlock) * 4;
  }

  template <class Columns>
  HEED_INLINE void add_groups(const uint8_t* a, ptrdiff_t a_step, Columns columns) {
    if constexpr (V::kHoldRows) {
      typename V::Operand row[R];
      repeat<R>([&](auto r) HEED_LAMBDA_INLINE { row[r] = V::operand(a + r * a_step); });
      repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
        const auto column = columns(c);
        repeat<R>([&](auto r)
                      HEED_LAMBDA_INLINE { sums[r][c] = V::dot(sums[r][c], row[r], column); });
      });
    } else {
      typename V::Columns column[C];
      repeat<C>([&](auto c) HEED_LAMBDA_INLINE { column[c] = columns(c); });
      repeat<R>([&](auto r) HEED_LAMBDA_INLINE {
        const auto row = V::operand(a + r * a_step);
        repeat<C>([&](auto c)
                      HEED_LAMBDA_INLINE { sums[r][c] = V::dot(sums[r][c], row, column[c]); });
      });
    }
  }
};

struct Keys {
  const int8_t* k8;
  const float* scale;
  const int32_t* sum;
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
template <class V, int32_t R, int32_t C, class Store>
HEED_INLINE void score_tile(const uint8_t* q8, ptrdiff_t q_step, const Keys& keys, int32_t block,
                            const float* row_factor, const TileMask& mask, Store store) {
  const float* const scale = keys.scale + block * kBlock;
  const int32_t* const sum = keys.sum + block * kBlock;
  DotTile<V, R, C> tile;
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    const auto start = V::start_scores(sum + c * V::kLanes);
    repeat<R>([&](auto r) HEED_LAMBDA_INLINE { tile.sums[r][c] = start; });
  });
  tile.add(
      q8, [](int32_t g) HEED_LAMBDA_INLINE { return g * V::kOperandBytes; }, q_step,
      keys.k8 + block * keys.block_step, keys.block_step, 64, keys.groups);
  typename V::F factor[C], offset[C];
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    factor[c] = V::load(scale + c * V::kLanes);
    offset[c] = V::score_offset(factor[c]);
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

/// The same into scratch as 16-bit steps; rows steps_step apart.
template <class V, int32_t R, int32_t C>
void narrow_tile(const uint8_t* q8, ptrdiff_t q_step, const Keys& keys, int32_t block,
                 const float* row_factor, const TileMask& mask, int16_t* out, ptrdiff_t out_step) {
  score_tile<V, R, C>(q8, q_step, keys, block, row_factor, mask,
                      [&](auto r, auto c, auto first, auto second) HEED_LAMBDA_INLINE {
                        V::store(out + r * out_step + c * V::kLanes, V::narrow(first, second));
                      });
}

struct Values {
  const int8_t* v8;  // first group to visit
  const float* scale;
  const int32_t* sum_begin;  // sums over the keys before those visited, and over those too
  const int32_t* sum_end;
  ptrdiff_t group_step;
  int32_t groups;
};

/// Output channels of C vectors from `channel` on, of `rows` <= R rows; `width` channels exist.
template <class V, int32_t R, int32_t C>
void value_tile(const uint8_t* p8, ptrdiff_t p_step, const Values& values, int32_t channel,
                const float* inverse, int32_t rows, int32_t width, float* y, ptrdiff_t y_step) {
  DotTile<V, R, C> tile;
  repeat<R * C>([&](auto i) HEED_LAMBDA_INLINE { tile.sums[i / C][i % C] = V::start_values(); });
  tile.add(
      p8,
      [](int32_t g)
          HEED_LAMBDA_INLINE { return g / 16 * V::kProbabilityTile + V::kProbabilityAt[g % 16]; },
      p_step, values.v8 + channel * 4, 64, values.group_step, values.groups);
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

// --- a block of query rows -------------------------------------------------------------------

/// What a block of rows sees and where its scratch lies.
struct Block {
  int32_t first, rows;  // of the call
  int32_t begin, end;   // keys that any of its rows may see; begin is a multiple of kTile
  uint8_t* q8;
  ptrdiff_t q_step;
  int16_t* steps;        // of key 0; a tile's probabilities lie at its front
  ptrdiff_t steps_step;  // int16s
  int32_t* wide;         // steps of one row
  float factor[kRowsMax];
};

constexpr int32_t kRowSpace = 8;  // room for one number of each row, and a vector's store of them

struct Range {
  int32_t begin, end;
};
HEED_INLINE Range visible_keys(const AttentionArgs& args, int32_t row) {
  const int32_t end = args.causal ? args.position + row + 1 : args.keys;
  return {args.window > 0 ? larger(end - args.window, 0) : 0, smaller(end, args.keys)};
}

template <class V>
void quantise_queries(const AttentionArgs& args, Block& block) {
  const float scale_max =
      *at_byte<const float>(args.packed_keys, KeysLayout(args.keys, args.head_width).scale_max_at);
  for (int32_t r = 0; r < block.rows; ++r) {
    const float* const q = args.q + (block.first + r) * args.q_step;
    const float amax = V::max_lanes(row_amax<V, false>(q, nullptr, args.head_width));
    const auto inverse = V::set(amax < kTiny ? 0.0f : 127.0f / amax);
    block.factor[r] =
        step_factor(amax < kTiny ? 1.0f : amax / 127.0f, args.scale, scale_max, args.head_width);
    uint8_t* const out = block.q8 + r * block.q_step;
    quantise_row<V, false>(q, nullptr, args.head_width, inverse,
                           [&](int32_t lane, auto bytes) HEED_LAMBDA_INLINE {
                             V::store_query(out + lane * V::kOperandBytes, bytes);
                           });
  }
}

HEED_INLINE Keys keys_of(const AttentionArgs& args) {
  const KeysLayout layout(args.keys, args.head_width);
  return {at_byte<const int8_t>(args.packed_keys, 0),
          at_byte<const float>(args.packed_keys, layout.scale_at),
          at_byte<const int32_t>(args.packed_keys, layout.sum_at),
          static_cast<ptrdiff_t>(layout.groups) * 64, layout.groups};
}

HEED_INLINE TileMask mask_of(const AttentionArgs& args, int32_t row, int32_t rows, int32_t key) {
  if (args.mask == nullptr) return {nullptr, 0, 0, 0};
  return {args.mask + row * args.mask_step + key, args.mask_step, rows, args.keys - key};
}

/// The steps of all keys in sight of the block. R may exceed its rows: what those give is not used.
template <class V, int32_t R>
void score_keys(const AttentionArgs& args, const Block& block) {
  constexpr int32_t kVectors = kBlock / V::kLanes;  // of one block
  const Keys keys = keys_of(args);
  int32_t at = block.begin / kBlock;
  const int32_t last = divide_up(block.end, kBlock);
  const auto score = [&](auto count) HEED_LAMBDA_INLINE {
    narrow_tile<V, R, count * kVectors>(block.q8, block.q_step, keys, at, block.factor,
                                        mask_of(args, block.first, block.rows, at * kBlock),
                                        block.steps + at * kBlock, block.steps_step);
    at += count;
  };
  if constexpr (V::kBlocks >= 4) {
    while (at + 4 <= last) score(Index<4>{});
    if (at + 2 <= last) score(Index<2>{});
  }
  while (at < last) score(Index<1>{});
}

/// Keys outside of what the row sees get the lowest steps there are.
template <class V>
HEED_INLINE void hide_keys(int16_t* tile, int32_t begin, int32_t end) {
  repeat<kTile / (2 * V::kLanes)>([&](auto i) HEED_LAMBDA_INLINE {
    constexpr int32_t at = i * 2 * V::kLanes;
    V::store(tile + at,
             V::keep_between(V::load(tile + at), V::load(V::kKeyAt.key + at), begin, end));
  });
}

/// The largest of a row's steps, of keys in sight; the others are hidden first.
template <class V>
int32_t most_steps(const Block& block, int16_t* steps, Range seen) {
  auto most = V::lowest_steps();
  auto other = most;
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    if (tile < seen.begin || tile + kTile > seen.end) {
      hide_keys<V>(steps + tile, seen.begin - tile, seen.end - tile);
    }
    repeat<kTile / (4 * V::kLanes)>([&](auto i) HEED_LAMBDA_INLINE {
      constexpr int32_t at = i * 4 * V::kLanes;
      most = V::larger_steps(most, V::load(steps + tile + at));
      other = V::larger_steps(other, V::load(steps + tile + at + 2 * V::kLanes));
    });
  }
  return V::max_steps(V::larger_steps(most, other));
}

/// A row whose steps do not fit in 16 bits: computed again, in 32, and stored as their distance to
/// the largest, which becomes INT16_MAX. Rare: logits beyond 350, or a row that sees nothing.
template <class V>
void score_wide(const AttentionArgs& args, const Block& block, int32_t r, int16_t* steps,
                Range seen) {
  constexpr int32_t kVectors = kBlock / V::kLanes;
  const Keys keys = keys_of(args);
  for (int32_t at = block.begin / kBlock; at * kBlock < block.end; ++at) {
    int32_t* const out = block.wide + at * kBlock;
    score_tile<V, 1, kVectors>(block.q8 + r * block.q_step, block.q_step, keys, at,
                               block.factor + r, mask_of(args, block.first + r, 1, at * kBlock),
                               [&](auto, auto c, auto first, auto second) HEED_LAMBDA_INLINE {
                                 V::store(out + c * V::kLanes, first);
                                 if constexpr (c + 1 < kVectors)
                                   V::store(out + (c + 1) * V::kLanes, second);
                               });
  }
  const float* const mask =
      args.mask == nullptr ? nullptr : args.mask + (block.first + r) * args.mask_step;
  const int32_t begin = larger(seen.begin, block.begin), end = smaller(seen.end, block.end);
  const auto is_seen = [&](int32_t key) {
    return key >= begin && key < end && !(mask != nullptr && mask[key] == -INFINITY);
  };
  int32_t most = kStepsNone;
  for (int32_t key = begin; key < end; ++key) {
    int32_t& t = block.wide[key];
    t = larger(t, -static_cast<int32_t>(kStepsBound));
    if (is_seen(key)) most = larger(most, t);
  }
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    for (int32_t i = 0; i < kTile; ++i) {
      const int32_t key = tile + V::kKeyAt.key[i];
      const int64_t below = is_seen(key) ? int64_t{most} - block.wide[key] : UINT16_MAX;
      steps[tile + i] = static_cast<int16_t>(INT16_MAX - (below < UINT16_MAX ? below : UINT16_MAX));
    }
  }
}

/// Second pass over one row: its steps become probabilities. Returns sums of them.
template <class V>
typename V::I softmax_row(const Block& block, int16_t* steps, int32_t keys, int32_t most) {
  const uint16_t* const rounding =
      keys >= kAttentionDitherKeys ? V::kRounding.dither : V::kRounding.nearest;
  auto* const p8 = reinterpret_cast<uint8_t*>(steps);
  const typename V::Softmax softmax(static_cast<int16_t>(most));
  auto total = V::zero();
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    repeat<kTile / (4 * V::kLanes)>([&](auto i) HEED_LAMBDA_INLINE {
      constexpr int32_t at = i * 4 * V::kLanes;
      const auto low = softmax.powers(V::load(steps + tile + at), rounding + at);
      const auto high =
          softmax.powers(V::load(steps + tile + at + 2 * V::kLanes), rounding + at + 2 * V::kLanes);
      total = V::put_probabilities(
          p8 + tile / kTile * V::kProbabilityTile + i * V::kLanes * V::kOperandBytes, low, high,
          total);
    });
  }
  return total;
}

template <class V, int32_t R>
void weigh_values(const AttentionArgs& args, const Block& block, const float* inverse) {
  constexpr int32_t kVectors = kBlock / V::kLanes;
  const ValuesLayout layout(args.keys, args.value_width);
  const int32_t row_width = layout.blocks * kBlock;
  const int32_t tile_begin = block.begin / kTile;
  const int32_t tile_end = larger(divide_up(block.end, kTile), tile_begin);
  const int32_t group_begin = tile_begin * kTileLanes;
  const auto* const sums = at_byte<const int32_t>(args.packed_values, layout.sum_at);
  const Values values = {
      at_byte<const int8_t>(args.packed_values, static_cast<size_t>(group_begin) * row_width * 4),
      at_byte<const float>(args.packed_values, layout.scale_at),
      sums + static_cast<ptrdiff_t>(tile_begin) * row_width,
      sums + static_cast<ptrdiff_t>(tile_end) * row_width,
      static_cast<ptrdiff_t>(row_width) * 4,
      larger(smaller(tile_end * kTileLanes, layout.groups) - group_begin, 0)};
  const uint8_t* const p8 =
      reinterpret_cast<const uint8_t*>(block.steps) + tile_begin * V::kProbabilityTile;
  float* const y = args.y + block.first * args.y_step;
  int32_t at = 0;
  const auto weigh = [&](auto count) HEED_LAMBDA_INLINE {
    value_tile<V, R, count * kVectors>(p8, block.steps_step * 2, values, at * kBlock, inverse,
                                       block.rows, args.value_width, y, args.y_step);
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

template <class V, int32_t R>
void run_block(const AttentionArgs& args, Block& block) {
  float inverse[kRowSpace];
  alignas(64) int32_t totals[kRowsMax * V::kLanes];
  int32_t sum[kRowSpace];
  quantise_queries<V>(args, block);
  score_keys<V, R>(args, block);
  for (int32_t r = 0; r < block.rows; ++r) {
    int16_t* const steps = block.steps + r * block.steps_step;
    const Range seen = visible_keys(args, block.first + r);
    int32_t most = most_steps<V>(block, steps, seen);
    if (most < kNarrowMin || most > kNarrowMax) {
      score_wide<V>(args, block, r, steps, seen);
      most = INT16_MAX;
    }
    V::store(totals + r * V::kLanes, softmax_row<V>(block, steps, args.keys, most));
  }
  V::row_sums(totals, block.rows, sum);
  for (int32_t r = 0; r < block.rows; ++r) {
    inverse[r] = sum[r] == 0 ? 0.0f : 1.0f / static_cast<float>(sum[r]);
    if (args.map != nullptr) {
      write_map<V>(block, block.steps + r * block.steps_step, args.keys, inverse[r],
                   args.map + (block.first + r) * args.map_step);
    }
  }
  weigh_values<V, R>(args, block, inverse);
}

template <class V>
void run(const AttentionArgs& args, void* scratch) {
  const ScratchLayout layout(args.keys, args.head_width);
  Block block = {};
  block.q8 = at_byte<uint8_t>(scratch, 0);
  block.q_step = static_cast<ptrdiff_t>(layout.query_step);
  block.steps = at_byte<int16_t>(scratch, layout.steps_at);
  block.steps_step = static_cast<ptrdiff_t>(layout.steps_step / 2);
  block.wide = at_byte<int32_t>(scratch, layout.wide_at);
  for (int32_t first = 0; first < args.rows; first += V::kRows) {
    block.first = first;
    block.rows = smaller(V::kRows, args.rows - first);
    block.begin = visible_keys(args, first).begin / kTile * kTile;
    block.end = visible_keys(args, first + block.rows - 1).end;
    if (block.begin >= block.end) block.begin = block.end = 0;  // nothing in sight
    if (V::kRows > 3 && block.rows > 1 && block.rows <= V::kRows / 2) {
      run_block<V, larger(V::kRows / 2, 1)>(args, block);
    } else if (block.rows == 1) {
      run_block<V, 1>(args, block);
    } else {
      run_block<V, V::kRows>(args, block);
    }
  }
}

template <class V>
constexpr AttentionKernel make_attention(const char* name, IsaSet isa) {
  static_assert(V::kRows <= kRowsMax && kBlock % V::kLanes == 0);
  return {name, isa, pack_keys<V>, pack_values<V>, run<V>};
}

}  // namespace
}  // namespace heed
