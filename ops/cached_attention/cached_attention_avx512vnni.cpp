#include "ops/simd/vec_avx512.h"

#include "ops/cached_attention/cached_attention_vec.h"

namespace heed {

// What bounds it on Zen 4: 16 keys and values of D = 64 are 2 kB, which take 83 cycles to read from
// L2 and some 130 from L3, where a decoder's caches lie. Products take 48 cycles of the multiply
// pipes (a value is weighed twice, by the upper and the lower 7 bits), the softmax some 60
// operations that all pipes share. Measured over 1500 keys of 6 heads: 108 cycles from L2, some 170
// from L3. What the softmax takes between keys and values is time in which nothing is read: asking
// for all values meanwhile gains nothing from L3, and loses 3 to 10 % from L2. A line of each of
// their pages, asked for ahead, gains 2 to 5 % from L3 at D = 64, and loses 1 to 2 % from L2.

namespace {

/// GCC copies registers around where it is given the instruction as a function.
inline void add_products(__m512i& sum, __m512i u, __m512i s) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u), "v"(s));
}
inline __m512i four_times(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

class Products {
 public:
  Products(const int8_t* q8, int32_t width) : q8_(q8), width_(width) {
    __m512i sum = _mm512_setzero_si512();
    for (int32_t d = 0; d < width; d += 16) {
      const auto* q = reinterpret_cast<const __m128i*>(q8 + d);
      sum = _mm512_add_epi32(sum, _mm512_cvtepi8_epi32(_mm_load_si128(q)));
    }
    excess_ = _mm512_set1_epi32(-128 * _mm512_reduce_add_epi32(sum));
  }

  F32x16 dots(const int8_t* k) const {
    const __m512i flip = _mm512_set1_epi8(-128);
    __m512i sums[2] = {excess_, _mm512_setzero_si512()};
    for (int32_t d = 0; d < width_; d += 16, k += 256) {
#pragma GCC unroll 4
      for (int32_t i = 0; i < 4; ++i) {
        // k + 128 is unsigned, as the instruction wants its first operand.
        const __m512i keys = _mm512_xor_si512(_mm512_load_si512(k + 64 * i), flip);
        add_products(sums[i % 2], keys, four_times(q8_ + d + 4 * i));
      }
    }
    return to_float({_mm512_add_epi32(sums[0], sums[1])});
  }

  static void mix(const int8_t* v, int32_t width, int32_t keys, const int8_t* high,
                  const int8_t* low, int32_t* a, int32_t* b) {
    int32_t d = 0;
    for (; d + 64 <= width; d += 64) mix_columns<4>(v, width, d, keys, high, low, a, b);
    for (; d < width; d += 16) mix_columns<1>(v, width, d, keys, high, low, a, b);
  }

  static void join(const int32_t* a, const int32_t* b, int32_t width, float factor, float* y) {
    const auto eight = [](const int32_t* p) {
      return _mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    };
    for (int32_t d = 0; d < width; d += 8) {
      const __m512d sum = _mm512_fmadd_pd(_mm512_set1_pd(128.0), eight(a + d), eight(b + d));
      _mm256_storeu_ps(y + d, _mm256_mul_ps(_mm512_cvtpd_ps(sum), _mm256_set1_ps(factor)));
    }
  }

 private:
  /// kBlocks * 16 columns from the d-th on.
  template <int kBlocks>
  static void mix_columns(const int8_t* v, int32_t width, int32_t d, int32_t keys,
                          const int8_t* high, const int8_t* low, int32_t* a, int32_t* b) {
    __m512i sum_a[kBlocks], sum_b[kBlocks];
    for (int i = 0; i < kBlocks; ++i) sum_a[i] = sum_b[i] = _mm512_setzero_si512();
    const int8_t* four = v + ptrdiff_t{d} * 4;
    for (int32_t s = 0; s < keys; s += 4, four += ptrdiff_t{width} * 4) {
      const __m512i w_high = four_times(high + s), w_low = four_times(low + s);
#pragma GCC unroll 4
      for (int i = 0; i < kBlocks; ++i) {
        const __m512i x = _mm512_load_si512(four + 64 * i);
        add_products(sum_a[i], w_high, x);
        add_products(sum_b[i], w_low, x);
      }
    }
    for (int i = 0; i < kBlocks; ++i) {
      _mm512_store_si512(a + d + 16 * i, sum_a[i]);
      _mm512_store_si512(b + d + 16 * i, sum_b[i]);
    }
  }

  const int8_t* q8_;
  int32_t width_;
  __m512i excess_;
};

}  // namespace

extern const CachedAttentionKernel kCachedAttentionAvx512vnni;
const CachedAttentionKernel kCachedAttentionAvx512vnni = {
    "avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni, attend<Products>};

}  // namespace heed
