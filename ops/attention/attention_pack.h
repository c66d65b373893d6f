#pragma once
// What the vector code of attention is written over, and the packing of keys and values: once, for
// a machine's vectors V (attention_avx512vnni.cpp lists what a V offers).

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

/// Four vectors of a row.
template <class V>
struct Four {
  static constexpr int32_t kCount = 4 * V::kLanes;
  typename V::F f[4];

  /// Elements 0 .. n-1 of x, zeros beyond.
  static HEED_INLINE Four load(const float* x, int32_t n) {
    Four four;
    if (n >= kCount) {
      repeat<4>([&](auto j) HEED_LAMBDA_INLINE { four.f[j] = V::load(x + j * V::kLanes); });
    } else if (V::kLanes == 16 && n == kCount / 2) {
      repeat<2>([&](auto j) HEED_LAMBDA_INLINE {
        four.f[j] = V::load(x + j * V::kLanes);
        four.f[j + 2] = V::set(0.0f);
      });
    } else {
      repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
        four.f[j] = V::load_n(x + j * V::kLanes, n - j * V::kLanes);
      });
    }
    return four;
  }
  HEED_INLINE Four less(const Four& other) const {
    Four four;
    repeat<4>([&](auto j) HEED_LAMBDA_INLINE { four.f[j] = V::sub(f[j], other.f[j]); });
    return four;
  }
  HEED_INLINE typename V::F abs_max(typename V::F amax) const {
    return V::abs_max(V::abs_max(amax, f[0], f[1]), f[2], f[3]);
  }
  /// V::kLanes groups of four neighbours.
  HEED_INLINE typename V::I quantised(typename V::F inverse) const {
    return V::quads(V::quantise(f[0], inverse), V::quantise(f[1], inverse),
                    V::quantise(f[2], inverse), V::quantise(f[3], inverse));
  }
};

// --- packing ---------------------------------------------------------------------------------

constexpr int32_t kMeanSpace = kAttentionWidthMax + kTile;  // whole vectors may be read at its end

/// mean[d] over all keys, of C vectors from d on.
template <class V, int32_t C>
HEED_INLINE void key_mean_of(const AttentionRows& keys, int32_t d, float* mean) {
  const auto share = V::set(1.0f / static_cast<float>(keys.keys));
  const bool whole = keys.width - d >= C * V::kLanes;
  typename V::F sum[C];
  repeat<C>([&](auto j) HEED_LAMBDA_INLINE { sum[j] = V::set(0.0f); });
  for (int32_t s = 0; s < keys.keys; ++s) {
    const float* const x = keys.x + s * keys.step + d;
    repeat<C>([&](auto j) HEED_LAMBDA_INLINE {
      const auto v = C > 1 || whole ? V::load(x + j * V::kLanes) : V::load_n(x, keys.width - d);
      sum[j] = V::add(sum[j], v);
    });
  }
  repeat<C>([&](auto j)
                HEED_LAMBDA_INLINE { V::store(mean + d + j * V::kLanes, V::mul(sum[j], share)); });
}

template <class V>
void key_mean(const AttentionRows& keys, float* mean) {
  constexpr int32_t kOne = V::kLanes;
  int32_t d = 0;
  for (; d + 4 * kOne <= keys.width; d += 4 * kOne) key_mean_of<V, 4>(keys, d, mean);
  if constexpr (kOne == 16) {
    for (; d + 2 * kOne <= keys.width; d += 2 * kOne) key_mean_of<V, 2>(keys, d, mean);
  }
  for (; d < keys.width; d += kOne) key_mean_of<V, 1>(keys, d, mean);
}

/// start of the keys of a block, whose sums are chains that do not wait for each other.
template <class V>
__attribute__((noinline)) void find_starts(const int32_t* k8, int32_t groups, int32_t* start) {
  constexpr int32_t kChains = 4;
  for (int32_t n = 0; n < kBlock; n += V::kLanes) {
    typename V::I total[kChains];
    repeat<kChains>([&](auto i) HEED_LAMBDA_INLINE { total[i] = V::zero(); });
    int32_t g = 0;
    for (; g + kChains <= groups; g += kChains) {
      repeat<kChains>([&](auto i) HEED_LAMBDA_INLINE {
        total[i] = V::add_signed(total[i], V::load(k8 + (g + i) * kBlock + n));
      });
    }
    for (; g < groups; ++g) total[0] = V::add_signed(total[0], V::load(k8 + g * kBlock + n));
    const auto sum = V::add(V::add(total[0], total[1]), V::add(total[2], total[3]));
    V::store(start + n, V::start_of(sum));
  }
}

/// Packs P blocks of keys, side by side in the same four vectors: whose width is just their share
/// of those, or anything where P is 0.
template <class V, int32_t P>
class KeyPacker {
 public:
  KeyPacker(const AttentionRows& keys, const float* mean, void* packed)
      : keys_(keys), layout_(keys.keys, keys.width), mean_(mean), packed_(packed) {}

  void pack() {
    auto scale_max = V::set(0.0f);
    // Backwards: the keys that the mean was read from last are still in the first cache.
    for (int32_t block = (layout_.blocks - 1) / kBlocks * kBlocks; block >= 0; block -= kBlocks) {
      scale_max = V::max(scale_max, find_scales(block));
      quantise(block);
      for (int32_t b = block; b < smaller(block + kBlocks, layout_.blocks); ++b) {
        find_starts<V>(at_byte<int32_t>(packed_, static_cast<size_t>(b) * layout_.groups * 64),
                       layout_.groups, at_byte<int32_t>(packed_, layout_.start_at) + b * kBlock);
      }
    }
    auto* const largest = at_byte<float>(packed_, layout_.scale_max_at);
    for (int32_t n = 0; n < kBlock; n += V::kLanes)
      V::store(largest + n, V::set(V::max_lanes(scale_max)));
  }

 private:
  static constexpr int32_t kBlocks = larger(P, 1);
  static constexpr int32_t kVectors = 4 / kBlocks;  // of one key

  /// Key n of the blocks from `block` on, less the mean: copies, which stay in registers.
  class Centred {
   public:
    HEED_INLINE Centred(const KeyPacker& packer, int32_t block)
        : keys_(packer.keys_), mean_(packer.mean_), first_(block * kBlock) {
      if constexpr (P > 0) {
        repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
          centre_.f[j] = V::load(mean_ + j % kVectors * V::kLanes);
        });
      }
    }
    /// Values d .. of it, where P is 0.
    HEED_INLINE Four<V> at(int32_t n, int32_t d) const {
      if constexpr (P > 0) {
        Four<V> row;
        repeat<P>([&](auto b) HEED_LAMBDA_INLINE {
          const float* const x = key(b * kBlock + n);
          repeat<kVectors>([&](auto j) HEED_LAMBDA_INLINE {
            row.f[b * kVectors + j] = V::load(x + j * V::kLanes);
          });
        });
        return row.less(centre_);
      } else {
        return Four<V>::load(key(n) + d, keys_.width - d)
            .less(Four<V>::load(mean_ + d, Four<V>::kCount));
      }
    }

   private:
    HEED_INLINE const float* key(int32_t n) const {  // or the last there is
      return keys_.x + smaller(first_ + n, keys_.keys - 1) * keys_.step;
    }
    const AttentionRows keys_;
    const float* const mean_;
    const int32_t first_;
    Four<V> centre_;
  };

  /// Returns the largest.
  HEED_INLINE typename V::F find_scales(int32_t block) {
    const Centred centred(*this, block);
    for (int32_t n = 0; n < kBlock; ++n) {
      typename V::F most[kBlocks];
      if constexpr (P > 0) {
        const Four<V> row = centred.at(n, 0);
        repeat<kBlocks>([&](auto b) HEED_LAMBDA_INLINE {
          most[b] = V::abs_max(row.f[b * kVectors], row.f[b * kVectors + 1]);
          if constexpr (kVectors == 4) most[b] = V::abs_max(most[b], row.f[2], row.f[3]);
        });
      } else {
        most[0] = V::set(0.0f);
        for (int32_t d = 0; d < keys_.width; d += Four<V>::kCount)
          most[0] = centred.at(n, d).abs_max(most[0]);
      }
      repeat<kBlocks>([&](auto b) HEED_LAMBDA_INLINE {
        V::store(row_most_ + (b * kBlock + n) * V::kLanes, most[b]);
      });
    }
    auto largest = V::set(0.0f);
    for (int32_t b = 0; b < kBlocks && block + b < layout_.blocks; ++b) {
      alignas(64) float amax[kBlock];
      V::template max_of_rows<kBlock>(amax, row_most_ + b * kBlock * V::kLanes);
      for (int32_t n = 0; n < kBlock; n += V::kLanes) {
        typename V::F factor, unit;
        quantiser<V>(V::load(amax + n), factor, unit);
        V::store(inverse_ + b * kBlock + n, factor);
        unit = V::drop_two_bits(unit);
        const int32_t key = (block + b) * kBlock + n;
        V::store(at_byte<float>(packed_, layout_.scale_at) + key, unit);
        V::store(at_byte<float>(packed_, layout_.offset_at) + key, V::mul(unit, V::set(-kRounder)));
        largest = V::max(largest, unit);
      }
    }
    return largest;
  }

  HEED_INLINE void quantise(int32_t block) {
    const Centred centred(*this, block);
    auto* const k8 = at_byte<int32_t>(packed_, static_cast<size_t>(block) * layout_.groups * 64);
    const int32_t groups = smaller(layout_.blocks - block, kBlocks) * layout_.groups;
    for (int32_t g = 0; g < groups; g += V::kLanes) {
      for (int32_t n = 0; n < kBlock; ++n) {
        const Four<V> row = centred.at(n, 4 * g);
        const auto q = [&](auto j) HEED_LAMBDA_INLINE {
          return V::quantise(row.f[j], V::set(inverse_[j / kVectors * kBlock + n]));
        };
        V::store(rows_ + n * V::kLanes,
                 V::quads(q(Index<0>{}), q(Index<1>{}), q(Index<2>{}), q(Index<3>{})));
      }
      V::transpose(rows_, k8 + g * kBlock, groups - g);
    }
  }

  const AttentionRows keys_;
  const KeysLayout layout_;
  const float* const mean_;
  void* const packed_;
  alignas(64) float row_most_[kBlocks * kBlock * V::kLanes];
  alignas(64) float inverse_[kBlocks * kBlock];
  alignas(64) int32_t rows_[kBlock * V::kLanes];
};

template <class V>
void pack_keys(const AttentionRows& keys, bool subtract_mean, void* packed) {
  alignas(64) float mean[kMeanSpace];
  memset(mean, 0, sizeof(float) * static_cast<size_t>(round_up(keys.width, Four<V>::kCount)));
  if (subtract_mean) key_mean<V>(keys, mean);
  if constexpr (V::kLanes == 16) {
    // Twice as fast as half empty vectors.
    if (keys.width == 2 * V::kLanes) return KeyPacker<V, 2>(keys, mean, packed).pack();
    if (keys.width == 4 * V::kLanes) return KeyPacker<V, 1>(keys, mean, packed).pack();
  }
  KeyPacker<V, 0>(keys, mean, packed).pack();
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
  // Backwards: what is read first below is then still in the first cache.
  int32_t s = values.keys;
  for (; s >= 2 * kChains; s -= 2 * kChains) {
    repeat<C * kChains>([&](auto i) HEED_LAMBDA_INLINE {
      const int32_t at = s - 2 * kChains + i / C * 2;
      amax[i] = V::abs_max(amax[i], load(at, i % C), load(at + 1, i % C));
    });
  }
  while (s-- > 0) {
    repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
      const auto v = load(s, c);
      amax[c] = V::abs_max(amax[c], v, v);
    });
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
  constexpr int32_t kVectors = V::kLanes == 16 ? 2 : 4;  // heads of 32 fill two of the widest
  const int32_t width = round_up(values.width, kBlock);
  int32_t d = 0;
  for (; d + kVectors * V::kLanes <= values.width; d += kVectors * V::kLanes) {
    pack_value_channels<V, kVectors, true>(values, d, packed);
  }
  for (; d < width; d += V::kLanes) pack_value_channels<V, 1, false>(values, d, packed);
}

// V::max_of_rows, row_sums and max_steps_of_rows for machines that have nothing better than one at
// a time.
template <class V, int32_t N>
HEED_INLINE void max_one_by_one(float* out, const float* rows) {
  for (int32_t n = 0; n < N; ++n) out[n] = V::max_lanes(V::load(rows + n * V::kLanes));
}
template <class V>
HEED_INLINE void row_sums_one_by_one(const int32_t* rows, int32_t count, int32_t* out) {
  for (int32_t r = 0; r < count; ++r) out[r] = V::sum_lanes(V::load(rows + r * V::kLanes));
}

template <class V>
HEED_INLINE void max_steps_one_by_one(const int16_t* rows, int32_t count, int32_t* out) {
  for (int32_t r = 0; r < count; ++r) out[r] = V::max_steps(V::load(rows + r * 2 * V::kLanes));
}

/// V::transpose from V::transpose4: 16 rows of V::kLanes lanes become rows of 16 keys, of which
/// `groups` are wanted.
template <class V>
HEED_INLINE void transpose_by_four(const int32_t* rows, int32_t* out, int32_t groups) {
  alignas(64) int32_t columns[V::kLanes * kBlock];
  int32_t* const to = groups >= V::kLanes ? out : columns;
  for (int32_t g = 0; g < V::kLanes; g += 4) {
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      V::transpose4(rows + 4 * i * V::kLanes + g, V::kLanes, to + g * kBlock + 4 * i);
    });
  }
  if (to != out) memcpy(out, columns, sizeof(int32_t) * kBlock * groups);
}

}  // namespace
}  // namespace heed
