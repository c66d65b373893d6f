#include "ops/simd/vec_avx512.h"

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {

// What bounds it on Zen 4, where a cycle takes a product, a shuffle of 512 bits or two integer
// operations, and products share a pipe with shuffles. 16 keys and values of D = 64 need 48
// products (a value is weighed twice, by the upper and the lower 7 bits), 62 shuffles (30 to add
// across keys that lie in rows, 32 to put four values side by side), 31 other operations, and the
// softmax about 60: some 100 cycles with all pipes full. Measured over 1500 keys of 6 heads: 163,
// of which 29 collect the scales, that lie between those of other heads; a plain read takes 76. To
// come near that, the rows would have to lie in the cache as `attention` packs them, which takes
// the shuffles away, and each head's scales together.

namespace {

inline __mmask64 bytes_below(int32_t n) { return n >= 64 ? ~0ull : (1ull << n) - 1; }

/// Adds the 16 sums of each of 16 vectors: vector l's to lane l.
inline __m512i add_across(const __m512i* a) {
  __m512i four[4];
  for (int i = 0; i < 4; ++i) {
    const __m512i* v = a + 4 * i;
    const __m512i x =
        _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
    const __m512i y =
        _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
    four[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
  }
  const auto halves = [](__m512i x, __m512i y) {
    return _mm512_add_epi32(_mm512_shuffle_i32x4(x, y, 0x88), _mm512_shuffle_i32x4(x, y, 0xdd));
  };
  return halves(halves(four[0], four[1]), halves(four[2], four[3]));
}

/// GCC copies registers around where it is given the instruction as a function.
inline void add_products(__m512i& sum, __m512i u, __m512i s) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u), "v"(s));
}

struct Products {
  /// kAll: 16 rows of 64 values.
  template <bool kAll>
  static __m512i sixteen_dots(const int8_t* q8, const int8_t* k, ptrdiff_t step, int32_t width,
                              int32_t n) {
    const __m512i flip = _mm512_set1_epi8(-128);
    __m512i sums[16];
#pragma GCC unroll 16
    for (int l = 0; l < 16; ++l) sums[l] = _mm512_setzero_si512();
    __m512i offset = _mm512_setzero_si512();
    for (int32_t d = 0; d < width; d += 64) {
      const __mmask64 there = bytes_below(width - d);
      const __m512i q = _mm512_maskz_loadu_epi8(there, q8 + d);
      // k + 128 is unsigned, as the instruction wants its first operand.
      add_products(offset, flip, q);
      const int8_t* row = k + d;
#pragma GCC unroll 16
      for (int l = 0; l < 16; ++l) {
        const __m512i x = kAll ? _mm512_loadu_si512(row) : _mm512_maskz_loadu_epi8(there, row);
        add_products(sums[l], _mm512_xor_si512(x, flip), q);
        if (kAll || l + 1 < n) row += step;  // beyond the last: that one again
      }
    }
    const __m512i excess = _mm512_set1_epi32(_mm512_reduce_add_epi32(offset));
    return _mm512_sub_epi32(add_across(sums), excess);
  }

  static F32x16 dots(const int8_t* q8, const CachedRows& k, int32_t width, int32_t s, int32_t n) {
    const int8_t* first = k.q + s * k.step;
    return to_float({n == 16 && width % 64 == 0
                         ? sixteen_dots<true>(q8, first, k.step, width, n)
                         : sixteen_dots<false>(q8, first, k.step, width, n)});
  }

  /// Steps up to 2 * kPairs: whole vectors are read, and each pair of them gives the lanes that
  /// lie in it. Returns how many are done: what would read beyond the last one is left.
  template <int kPairs>
  static int32_t collect_from_pairs(const float* p, ptrdiff_t step, int32_t n, float* out) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // The permutation looks at the lowest five bits of an index.
    const __m512i index = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int32_t>(step)));
    __mmask16 beyond[kPairs];
    for (int i = 0; i < kPairs; ++i)
      beyond[i] = _mm512_cmpge_epi32_mask(index, _mm512_set1_epi32(32 * i));
    int32_t l = 0;
    for (; l * step + 32 * kPairs <= (n - 1) * step + 1; l += 16) {
      const float* const at = p + l * step;
      __m512 all = _mm512_setzero_ps();
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) {
        const __m512 pair = _mm512_permutex2var_ps(_mm512_loadu_ps(at + 32 * i), index,
                                                   _mm512_loadu_ps(at + 32 * i + 16));
        all = i == 0 ? pair : _mm512_mask_mov_ps(all, beyond[i], pair);
      }
      _mm512_storeu_ps(out + l, all);
    }
    return l;
  }
  static void collect(const float* p, ptrdiff_t step, int32_t n, float* out) {
    int32_t done = 0;
    if (step <= 2) {
      done = collect_from_pairs<1>(p, step, n, out);
    } else if (step <= 4) {
      done = collect_from_pairs<2>(p, step, n, out);
    } else if (step <= 6) {
      done = collect_from_pairs<3>(p, step, n, out);
    } else if (step <= 8) {
      done = collect_from_pairs<4>(p, step, n, out);
    }
    collect_one_by_one(p + done * step, step, n - done, out + done);
  }

  struct Sums {
    __m512i a[4], b[4];  // 64 columns: lane 4 l + j of vector i is column 16 l + 4 i + j
  };

  /// Four rows: their bytes interleaved, each column's four in one lane.
  static void add_four(Sums& sums, __m512i row0, __m512i row1, __m512i row2, __m512i row3,
                       const int8_t* high, const int8_t* low) {
    const __m512i lo01 = _mm512_unpacklo_epi8(row0, row1);
    const __m512i hi01 = _mm512_unpackhi_epi8(row0, row1);
    const __m512i lo23 = _mm512_unpacklo_epi8(row2, row3);
    const __m512i hi23 = _mm512_unpackhi_epi8(row2, row3);
    const __m512i x[4] = {_mm512_unpacklo_epi16(lo01, lo23), _mm512_unpackhi_epi16(lo01, lo23),
                          _mm512_unpacklo_epi16(hi01, hi23), _mm512_unpackhi_epi16(hi01, hi23)};
    int32_t four_high, four_low;
    __builtin_memcpy(&four_high, high, 4);
    __builtin_memcpy(&four_low, low, 4);
    const __m512i w_high = _mm512_set1_epi32(four_high), w_low = _mm512_set1_epi32(four_low);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      add_products(sums.a[i], w_high, x[i]);
      add_products(sums.b[i], w_low, x[i]);
    }
  }

  /// 64 columns, of which those `there` exist.
  static void mix_columns(const int8_t* v, ptrdiff_t step, __mmask64 there, int32_t keys,
                          const int8_t* high, const int8_t* low, int32_t* a, int32_t* b) {
    Sums sums;
    for (int i = 0; i < 4; ++i) sums.a[i] = sums.b[i] = _mm512_setzero_si512();
    int32_t s = 0;
    const auto row = [&](int32_t r) { return _mm512_maskz_loadu_epi8(there, v + r * step); };
    for (; s + 4 <= keys; s += 4)
      add_four(sums, row(s), row(s + 1), row(s + 2), row(s + 3), high + s, low + s);
    if (s < keys) {  // rows beyond the last weigh nothing
      const int32_t last = keys - 1;
      add_four(sums, row(s), row(s + 1 < keys ? s + 1 : last), row(s + 2 < keys ? s + 2 : last),
               row(last), high + s, low + s);
    }
    store_columns(sums.a, a);
    store_columns(sums.b, b);
  }

  static void store_columns(const __m512i* sums, int32_t* to) {
    const __m512i x = _mm512_shuffle_i32x4(sums[0], sums[1], 0x44);
    const __m512i y = _mm512_shuffle_i32x4(sums[2], sums[3], 0x44);
    const __m512i z = _mm512_shuffle_i32x4(sums[0], sums[1], 0xee);
    const __m512i w = _mm512_shuffle_i32x4(sums[2], sums[3], 0xee);
    _mm512_store_si512(to, _mm512_shuffle_i32x4(x, y, 0x88));
    _mm512_store_si512(to + 16, _mm512_shuffle_i32x4(x, y, 0xdd));
    _mm512_store_si512(to + 32, _mm512_shuffle_i32x4(z, w, 0x88));
    _mm512_store_si512(to + 48, _mm512_shuffle_i32x4(z, w, 0xdd));
  }

  static void mix(const CachedRows& v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    for (int32_t d = 0; d < width; d += 64)
      mix_columns(v.q + d, v.step, bytes_below(width - d), keys, high, low, a + d, b + d);
  }
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionAvx512vnni;
const CachedAttentionKernel kCachedAttentionAvx512vnni = {
    "avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni, attend<Products>};

}  // namespace heed
