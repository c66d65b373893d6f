#include "ops/simd/vec_avx2.h"

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {
namespace {

inline __m256i words(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

struct Products {
  /// The dot products of rows s .. s+3, of which n are there.
  static __m128i four_dots(const int8_t* q8, const CachedRows& k, int32_t width, int32_t s,
                           int32_t n) {
    __m256i sums[4];
    const int8_t* row[4];
    for (int l = 0; l < 4; ++l) {
      sums[l] = _mm256_setzero_si256();
      row[l] = k.q + (s + (l < n ? l : n - 1)) * k.step;
    }
    for (int32_t d = 0; d < width; d += 16) {
      const __m256i q = words(q8 + d);
      for (int l = 0; l < 4; ++l)
        sums[l] = _mm256_add_epi32(sums[l], _mm256_madd_epi16(q, words(row[l] + d)));
    }
    const __m256i four =
        _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  }

  static F32x16 dots(const int8_t* q8, const CachedRows& k, int32_t width, int32_t s, int32_t n) {
    __m128i four[4];
    for (int32_t i = 0; i < 4; ++i) {
      const int32_t first = 4 * i < n ? 4 * i : n - 1;
      four[i] = four_dots(q8, k, width, s + first, n - first);
    }
    return to_float({_mm256_set_m128i(four[1], four[0]), _mm256_set_m128i(four[3], four[2])});
  }

  static void collect(const float* p, ptrdiff_t step, int32_t n, float* out) {
    collect_one_by_one(p, step, n, out);
  }

  /// kBlocks * 16 columns, two rows at a time: their values interleaved, each column's two in one
  /// lane.
  template <int kBlocks>
  static void mix_columns(const int8_t* v, ptrdiff_t step, int32_t keys, const int8_t* high,
                          const int8_t* low, int32_t* a, int32_t* b) {
    __m256i sum_a[2 * kBlocks], sum_b[2 * kBlocks];
    for (int i = 0; i < 2 * kBlocks; ++i) sum_a[i] = sum_b[i] = _mm256_setzero_si256();
    for (int32_t s = 0; s < keys; s += 2) {
      const int8_t* row = v + s * step;
      const int8_t* next = s + 1 < keys ? row + step : row;  // beyond: weight 0
      const __m256i w_high = _mm256_set1_epi32(high[s] | high[s + 1] << 16);
      const __m256i w_low = _mm256_set1_epi32(low[s] | low[s + 1] << 16);
      for (int i = 0; i < kBlocks; ++i) {
        const __m256i x = words(row + 16 * i), y = words(next + 16 * i);
        const __m256i lo = _mm256_unpacklo_epi16(x, y), hi = _mm256_unpackhi_epi16(x, y);
        sum_a[2 * i] = _mm256_add_epi32(sum_a[2 * i], _mm256_madd_epi16(lo, w_high));
        sum_a[2 * i + 1] = _mm256_add_epi32(sum_a[2 * i + 1], _mm256_madd_epi16(hi, w_high));
        sum_b[2 * i] = _mm256_add_epi32(sum_b[2 * i], _mm256_madd_epi16(lo, w_low));
        sum_b[2 * i + 1] = _mm256_add_epi32(sum_b[2 * i + 1], _mm256_madd_epi16(hi, w_low));
      }
    }
    for (int i = 0; i < kBlocks; ++i) {
      store_columns(sum_a + 2 * i, a + 16 * i);
      store_columns(sum_b + 2 * i, b + 16 * i);
    }
  }

  /// Columns 0-3 and 8-11 are in the first, 4-7 and 12-15 in the second.
  static void store_columns(const __m256i* sums, int32_t* to) {
    auto* at = reinterpret_cast<__m256i*>(to);
    _mm256_storeu_si256(at, _mm256_permute2x128_si256(sums[0], sums[1], 0x20));
    _mm256_storeu_si256(at + 1, _mm256_permute2x128_si256(sums[0], sums[1], 0x31));
  }

  static void mix(const CachedRows& v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    int32_t d = 0;
    for (; d + 32 <= width; d += 32) mix_columns<2>(v.q + d, v.step, keys, high, low, a + d, b + d);
    if (d < width) mix_columns<1>(v.q + d, v.step, keys, high, low, a + d, b + d);
  }
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionAvx2;
const CachedAttentionKernel kCachedAttentionAvx2 = {"avx2", Isa::avx2, attend<Products>};

}  // namespace heed
