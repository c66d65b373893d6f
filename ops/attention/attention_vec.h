#pragma once
// Attention's loops, written once over a machine's vectors. A variant defines a type V (see
// attention_avx512vnni.cpp for the list of what it offers) and instantiates make_attention<V>.
//
// A block of V::kRows query rows goes over its keys twice: first all scores into scratch with their
// running maximum, then, row by row, the probabilities; then once over the values.

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
    const int32_t lanes = tile_lanes(tile, values.keys);
    for (int32_t i = tile; i < tile + lanes; ++i) {
      repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
        typename V::I q[4];
        repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
          const int32_t key = i + j * lanes;
          q[j] = key < values.keys ? V::quantise(load(key, c), inverse[c]) : V::zero();
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

// V::max_of_rows, row_maxima and row_sums for machines that have nothing better than one at a time.
template <class V, class Row>
HEED_INLINE void max_one_by_one(float* out, Row row) {
  for (int32_t n = 0; n < kBlock; ++n) out[n] = V::max_lanes(row(n));
}
template <class V>
HEED_INLINE void row_maxima_one_by_one(const float* rows, int32_t count, float* out) {
  for (int32_t r = 0; r < count; ++r) out[r] = V::max_lanes(V::load(rows + r * V::kLanes));
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

  /// Adds `groups` groups of four: the rows' operands begin at `a`, a_step bytes apart; group g of
  /// block n of the columns lies at b + n * block_step + g * group_step.
  HEED_INLINE void add(const uint8_t* a, ptrdiff_t a_step, const int8_t* b, ptrdiff_t block_step,
                       ptrdiff_t group_step, int32_t groups) {
    int32_t g = 0;
    for (; g + V::kGroups <= groups; g += V::kGroups) {
      add_groups(a, a_step, [&](auto c) HEED_LAMBDA_INLINE {
        return V::columns(b + column_offset(c, block_step), group_step);
      });
      a += V::kGroups * V::kOperandBytes;
      b += V::kGroups * group_step;
    }
    if constexpr (V::kGroups > 1) {
      if (g < groups) {
        add_groups(a, a_step, [&](auto c) HEED_LAMBDA_INLINE {
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

/// Scores of R rows against C vectors of keys, and their maxima so far (R vectors at `maxima`).
template <class V, int32_t R, int32_t C>
void score_tile(const uint8_t* q8, ptrdiff_t q_step, const Keys& keys, int32_t block, float* z,
                ptrdiff_t z_step, float* maxima) {
  const float* const scale = keys.scale + block * kBlock;
  const int32_t* const sum = keys.sum + block * kBlock;
  DotTile<V, R, C> tile;
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    const auto start = V::start_scores(sum + c * V::kLanes);
    repeat<R>([&](auto r) HEED_LAMBDA_INLINE { tile.sums[r][c] = start; });
  });
  tile.add(q8, q_step, keys.k8 + block * keys.block_step, keys.block_step, 64, keys.groups);
  typename V::F factor[C], offset[C];
  repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
    factor[c] = V::load(scale + c * V::kLanes);
    offset[c] = V::score_offset(factor[c]);
  });
  repeat<R>([&](auto r) HEED_LAMBDA_INLINE {
    auto largest = V::load(maxima + r * V::kLanes);
    repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
      const auto score = V::score(tile.sums[r][c], factor[c], offset[c]);
      V::store(z + r * z_step + c * V::kLanes, score);
      largest = V::max(largest, score);
    });
    V::store(maxima + r * V::kLanes, largest);
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
  tile.add(p8, p_step, values.v8 + channel * 4, 64, values.group_step, values.groups);
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
  int32_t first, rows;         // of the call
  int32_t begin, end;          // keys that any of its rows may see; begin is a multiple of kTile
  int32_t all_begin, all_end;  // keys that all of its rows see
  uint8_t* q8;
  ptrdiff_t q_step;
  float* z;                  // scores of key 0
  ptrdiff_t z_step;          // floats
  uint8_t* p8;               // probabilities of key 0
  float z_factor[kRowsMax];  // q_scale * scale

  bool all_see(int32_t key_begin, int32_t key_end) const {
    return key_begin >= all_begin && key_end <= all_end;
  }
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
  for (int32_t r = 0; r < block.rows; ++r) {
    const float* const q = args.q + (block.first + r) * args.q_step;
    const float amax = V::max_lanes(row_amax<V, false>(q, nullptr, args.head_width));
    const auto inverse = V::set(amax < kTiny ? 0.0f : 127.0f / amax);
    block.z_factor[r] = (amax < kTiny ? 1.0f : amax / 127.0f) * args.scale;
    uint8_t* const out = block.q8 + r * block.q_step;
    quantise_row<V, false>(q, nullptr, args.head_width, inverse,
                           [&](int32_t lane, auto bytes) HEED_LAMBDA_INLINE {
                             V::store_query(out + lane * V::kOperandBytes, bytes);
                           });
  }
}

/// Masks the scores of keys first .. first + count - 1 (whole blocks) of one row.
template <class V>
typename V::F mask_scores(const AttentionArgs& args, int32_t row, float z_factor, int32_t first,
                          int32_t count, float* z, typename V::F largest) {
  const Range seen = visible_keys(args, row);
  const float* const mask = args.mask == nullptr ? nullptr : args.mask + row * args.mask_step;
  const auto factor = V::set(z_factor);
  for (int32_t s = first; s < first + count; s += V::kLanes) {
    auto score = V::load(z + s);
    if (mask != nullptr) score = V::fma(score, factor, V::load_n(mask + s, args.keys - s));
    score = V::keep_between(score, s, seen.begin, seen.end);
    V::store(z + s, score);
    largest = V::max(largest, score);
  }
  return largest;
}

template <class V, int32_t R>
void score_blocks(const Block& block, const Keys& keys, int32_t first, int32_t blocks,
                  float* maxima) {
  constexpr int32_t kVectors = kBlock / V::kLanes;  // of one block
  float* const z = block.z + first;
  int32_t at = first / kBlock;
  const int32_t last = at + blocks;
  const auto score = [&](auto count) HEED_LAMBDA_INLINE {
    score_tile<V, R, count * kVectors>(block.q8, block.q_step, keys, at, z + at * kBlock - first,
                                       block.z_step, maxima);
    at += count;
  };
  if constexpr (V::kBlocks >= 4) {
    while (at + 4 <= last) score(Index<4>{});
    if (at + 2 <= last) score(Index<2>{});
  }
  while (at < last) score(Index<1>{});
}

/// First pass: scores of all keys in sight, and each row's maximum.
template <class V, int32_t R>
void score_keys(const AttentionArgs& args, const Block& block, float* row_max) {
  const KeysLayout layout(args.keys, args.head_width);
  const Keys keys = {at_byte<const int8_t>(args.packed_keys, 0),
                     at_byte<const float>(args.packed_keys, layout.scale_at),
                     at_byte<const int32_t>(args.packed_keys, layout.sum_at),
                     static_cast<ptrdiff_t>(layout.groups) * 64, layout.groups};
  alignas(64) float maxima[kRowsMax * V::kLanes];
  alignas(64) float unused[kRowsMax * V::kLanes];
  for (int32_t r = 0; r < kRowsMax; ++r) V::store(maxima + r * V::kLanes, V::set(-INFINITY));
  const int32_t tiles_end = smaller(round_up(block.end, kTile), round_up(args.keys, kBlock));
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    const int32_t end = smaller(tile + kTile, tiles_end);
    if (block.all_see(tile, smaller(end, args.keys)) && args.mask == nullptr) {
      score_blocks<V, R>(block, keys, tile, (end - tile) / kBlock, maxima);
      continue;
    }
    memcpy(unused, maxima, sizeof(maxima));
    score_blocks<V, R>(block, keys, tile, divide_up(smaller(end, block.end) - tile, kBlock),
                       unused);
    for (int32_t r = 0; r < block.rows; ++r) {
      float* const largest = maxima + r * V::kLanes;
      V::store(largest, mask_scores<V>(args, block.first + r, block.z_factor[r], tile, end - tile,
                                       block.z + r * block.z_step, V::load(largest)));
    }
  }
  if (block.end == args.keys) {  // up to three copies of the last key share a lane with it
    for (int32_t r = 0; r < R; ++r) {
      V::store(block.z + r * block.z_step + args.keys, V::set(-INFINITY));
    }
  }
  V::row_maxima(maxima, block.rows, row_max);
  for (int32_t r = 0; r < block.rows; ++r) {
    if (row_max[r] == -INFINITY) row_max[r] = 0.0f;
  }
}

template <class V>
HEED_INLINE void store_map(typename V::I p, int32_t lanes, int32_t lane_step, int32_t keys,
                           float* map) {
  repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
    V::store_n(map + j * lane_step, V::template byte<j>(p), smaller(lanes, keys - j * lane_step));
  });
}

/// Second pass over one row: its scores become probabilities. Returns sums of them. `map` (or null)
/// receives them as floats. `bounded`: no score of a key in sight is kStepsBound steps below the
/// maximum.
template <class V>
typename V::I softmax_row(const Block& block, int32_t r, int32_t keys, float row_max, float c,
                          bool bounded, float* map) {
  const Rounding& rounding = keys >= kAttentionDitherKeys ? kDither : kNearest;
  const float* const z = block.z + r * block.z_step;
  uint8_t* const p8 = block.p8 + r * block.z_step * 4;
  const typename V::Softmax softmax(row_max, c);
  auto total = V::zero();
  const auto whole_tile = [&](int32_t tile, auto clamp) HEED_LAMBDA_INLINE {
    repeat<kTileLanes / V::kLanes>([&](auto n) HEED_LAMBDA_INLINE {
      constexpr int32_t i = n * V::kLanes;
      const auto p =
          softmax.template probabilities<(clamp > 0)>(z + tile + i, kTileLanes, rounding, i);
      V::store_probabilities(p8 + (tile / 4 + i) * V::kOperandBytes, p);
      total = V::add_unsigned(total, p);
    });
  };
  for (int32_t tile = block.begin; tile < block.end; tile += kTile) {
    if (map == nullptr && tile + kTile <= keys) {
      if (bounded && block.all_see(tile, tile + kTile)) {
        whole_tile(tile, Index<0>{});
      } else {
        whole_tile(tile, Index<1>{});
      }
      continue;
    }
    const int32_t lanes = tile_lanes(tile, keys);
    for (int32_t i = 0; i < lanes; i += V::kLanes) {
      auto p = softmax.template probabilities<true>(z + tile + i, lanes, rounding, i);
      if (i + V::kLanes > lanes) p = V::first_lanes(p, lanes - i);
      V::store_probabilities(p8 + (tile / 4 + i) * V::kOperandBytes, p);
      total = V::add_unsigned(total, p);
      if (map != nullptr) {
        store_map<V>(p, smaller(lanes - i, V::kLanes), lanes, keys - tile - i, map + tile + i);
      }
    }
  }
  return total;
}

/// Zeros outside of the keys in sight and p * inverse inside.
template <class V>
void finish_map(const Block& block, int32_t keys, float inverse, float* map) {
  const int32_t end = smaller(round_up(block.end, kTile), keys);
  for (int32_t s = 0; s < smaller(block.begin, keys); ++s) map[s] = 0.0f;
  for (int32_t s = larger(end, 0); s < keys; ++s) map[s] = 0.0f;
  for (int32_t s = block.begin; s < end; s += V::kLanes) {
    V::store_n(map + s, V::mul(V::load_n(map + s, end - s), V::set(inverse)), end - s);
  }
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
  const uint8_t* const p8 = block.p8 + group_begin * V::kOperandBytes;
  float* const y = args.y + block.first * args.y_step;
  int32_t at = 0;
  const auto weigh = [&](auto count) HEED_LAMBDA_INLINE {
    value_tile<V, R, count * kVectors>(p8, block.z_step * 4, values, at * kBlock, inverse,
                                       block.rows, args.value_width, y, args.y_step);
    at += count;
  };
  if constexpr (V::kBlocks >= 4) {
    while (at + 4 <= layout.blocks) weigh(Index<4>{});
    if (at + 2 <= layout.blocks) weigh(Index<2>{});
  }
  while (at < layout.blocks) weigh(Index<1>{});
}

template <class V, int32_t R>
void run_block(const AttentionArgs& args, Block& block) {
  float row_max[kRowSpace], inverse[kRowSpace];
  alignas(64) int32_t totals[kRowsMax * V::kLanes];
  int32_t sum[kRowSpace];
  quantise_queries<V>(args, block);
  score_keys<V, R>(args, block, row_max);
  // No score lies below -z_bound.
  const float scale_max =
      *at_byte<const float>(args.packed_keys, KeysLayout(args.keys, args.head_width).scale_max_at);
  const float z_bound = scale_max * static_cast<float>(127 * 127 * args.head_width);
  for (int32_t r = 0; r < block.rows; ++r) {
    float* const map = args.map == nullptr ? nullptr : args.map + (block.first + r) * args.map_step;
    const float steps = block.z_factor[r] * kStepsPerUnit;
    const float c = args.mask != nullptr ? kStepsPerUnit : steps > kTiny ? steps : kTiny;
    const bool bounded = args.mask == nullptr && (row_max[r] + z_bound) * c < kStepsBound;
    V::store(totals + r * V::kLanes,
             softmax_row<V>(block, r, args.keys, row_max[r], c, bounded, map));
  }
  V::row_sums(totals, block.rows, sum);
  for (int32_t r = 0; r < block.rows; ++r) {
    inverse[r] = sum[r] == 0 ? 0.0f : 1.0f / static_cast<float>(sum[r]);
    if (args.map != nullptr) {
      finish_map<V>(block, args.keys, inverse[r], args.map + (block.first + r) * args.map_step);
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
  block.p8 = at_byte<uint8_t>(scratch, layout.scores_at);
  block.z = at_byte<float>(scratch, layout.scores_at + ScratchLayout::kScoresLead);
  block.z_step = static_cast<ptrdiff_t>(layout.scores_step / 4);
  for (int32_t first = 0; first < args.rows; first += V::kRows) {
    block.first = first;
    block.rows = smaller(V::kRows, args.rows - first);
    const Range top = visible_keys(args, first);
    const Range bottom = visible_keys(args, first + block.rows - 1);
    block.begin = top.begin / kTile * kTile;
    block.end = bottom.end;
    block.all_begin = bottom.begin;
    block.all_end = top.end;
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
