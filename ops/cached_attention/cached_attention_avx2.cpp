#include "ops/simd/vec_avx2.h"

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {
namespace {

inline __m256i words(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

/// The four bytes at p as words, four times over.
inline __m256i four_words(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
}

/// Sums of neighbouring lanes: of x's in the first half, of y's in the second.
inline __m256i add_pairs(__m256i x, __m256i y) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(x, y), 0xd8);
}

class Products {
 public:
  Products(const int8_t* q8, int32_t width) : q8_(q8), width_(width) {}

  F32x16 dots(const int8_t* k) const {
    __m256i sums[4];  // of four keys each, two lanes a key
    for (int i = 0; i < 4; ++i) sums[i] = _mm256_setzero_si256();
    for (int32_t d = 0; d < width_; d += 4, k += 64) {
      const __m256i q = four_words(q8_ + d);
      for (int i = 0; i < 4; ++i)
        sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(q, words(k + 16 * i)));
    }
    return to_float({add_pairs(sums[0], sums[1]), add_pairs(sums[2], sums[3])});
  }

  /// 16 columns at a time, of four keys.
  static void mix(const int8_t* v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    for (int32_t d = 0; d < width; d += 16) {
      __m256i sum_a[4], sum_b[4];  // of four columns each, two lanes a column
      for (int i = 0; i < 4; ++i) sum_a[i] = sum_b[i] = _mm256_setzero_si256();
      const int8_t* four = v + ptrdiff_t{d} * 4;
      for (int32_t s = 0; s < keys; s += 4, four += ptrdiff_t{width} * 4) {
        const __m256i w_high = four_words(high + s), w_low = four_words(low + s);
        for (int i = 0; i < 4; ++i) {
          const __m256i x = words(four + 16 * i);
          sum_a[i] = _mm256_add_epi32(sum_a[i], _mm256_madd_epi16(x, w_high));
          sum_b[i] = _mm256_add_epi32(sum_b[i], _mm256_madd_epi16(x, w_low));
        }
      }
      store_columns(sum_a, a + d);
      store_columns(sum_b, b + d);
    }
  }

  static void join(const int32_t* a, const int32_t* b, int32_t width, float factor, float* y) {
    join_one_by_one(a, b, width, factor, y);
  }

 private:
  static void store_columns(const __m256i* sums, int32_t* to) {
    auto* at = reinterpret_cast<__m256i*>(to);
    _mm256_storeu_si256(at, add_pairs(sums[0], sums[1]));
    _mm256_storeu_si256(at + 1, add_pairs(sums[2], sums[3]));
  }

  const int8_t* q8_;
  int32_t width_;
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionAvx2;
const CachedAttentionKernel kCachedAttentionAvx2 = {"avx2", Isa::avx2, attend<Products>};

}  // namespace heed
