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
    repeat<4>([&](auto j) HEED_LAMBDA_INLINE { amax = V::abs_max(amax, f[j]); });
    return amax;
  }
  /// V::kLanes groups of four neighbours.
  HEED_INLINE typename V::I quantised(typename V::F inverse) const {
    return V::quads(V::quantise(f[0], inverse), V::quantise(f[1], inverse),
                    V::quantise(f[2], inverse), V::quantise(f[3], inverse));
  }
};

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
  const KeysLayout layout(keys.keys, keys.width);
  alignas(64) float mean[kMeanSpace];
  memset(mean, 0, sizeof(mean));
  if (subtract_mean) key_mean<V>(keys, mean);
  alignas(64) float row_most[kBlock * V::kLanes], amax[kBlock], inverse[kBlock];
  alignas(64) int32_t rows[kBlock * V::kLanes];
  auto scale_max = V::set(0.0f);
  for (int32_t block = 0; block < layout.blocks; ++block) {
    const float* const x = keys.x + static_cast<ptrdiff_t>(block) * kBlock * keys.step;
    const int32_t last = smaller(kBlock, keys.keys - block * kBlock) - 1;
    const auto centred = [&](int32_t n, int32_t d) HEED_LAMBDA_INLINE {
      const auto row = Four<V>::load(x + smaller(n, last) * keys.step + d, keys.width - d);
      return row.less(Four<V>::load(mean + d, Four<V>::kCount));
    };
    for (int32_t n = 0; n < kBlock; ++n) {
      auto most = V::set(0.0f);
      for (int32_t d = 0; d < keys.width; d += Four<V>::kCount) most = centred(n, d).abs_max(most);
      V::store(row_most + n * V::kLanes, most);
    }
    V::template max_of_rows<kBlock>(amax, row_most);
    for (int32_t n = 0; n < kBlock; n += V::kLanes) {
      typename V::F factor, unit;
      quantiser<V>(V::load(amax + n), factor, unit);
      V::store(inverse + n, factor);
      unit = V::drop_two_bits(unit);
      V::store(at_byte<float>(packed, layout.scale_at) + block * kBlock + n, unit);
      scale_max = V::max(scale_max, unit);
    }
    auto* const k8 = at_byte<int32_t>(packed, static_cast<size_t>(block) * layout.groups * 64);
    for (int32_t g = 0; g < layout.groups; g += V::kLanes) {
      for (int32_t n = 0; n < kBlock; ++n) {
        V::store(rows + n * V::kLanes, centred(n, 4 * g).quantised(V::set(inverse[n])));
      }
      V::transpose(rows, k8 + g * kBlock, layout.groups - g);
    }
    auto* const sum = at_byte<int32_t>(packed, layout.sum_at) + block * kBlock;
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
template <class V, int32_t N>
HEED_INLINE void max_one_by_one(float* out, const float* rows) {
  for (int32_t n = 0; n < N; ++n) out[n] = V::max_lanes(V::load(rows + n * V::kLanes));
}
template <class V>
HEED_INLINE void row_sums_one_by_one(const int32_t* rows, int32_t count, int32_t* out) {
  for (int32_t r = 0; r < count; ++r) out[r] = V::sum_lanes(V::load(rows + r * V::kLanes));
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
