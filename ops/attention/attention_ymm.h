#pragma once
// What the 256-bit variants of attention have in common: all but the dot products.

#include <immintrin.h>

#include "ops/attention/attention_vec.h"

namespace heed {
namespace {

struct Ymm {
  using F = __m256;
  using I = __m256i;
  static constexpr int32_t kLanes = 8;
  static constexpr int32_t kBlocks = 1;
  static constexpr int32_t kGroups = 1;
  static constexpr bool kHoldRows = false;

  /// All bits of the lanes below n.
  static HEED_INLINE I first_n(int32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  static HEED_INLINE F set(float x) { return _mm256_set1_ps(x); }
  static HEED_INLINE I zero() { return _mm256_setzero_si256(); }
  static HEED_INLINE F load(const float* x) { return _mm256_loadu_ps(x); }
  static HEED_INLINE I load_bytes(const void* x) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(x));
  }
  static HEED_INLINE I load(const int32_t* x) { return load_bytes(x); }
  static HEED_INLINE F load_n(const float* x, int32_t n) {
    return _mm256_maskload_ps(x, first_n(n));
  }
  /// The four bytes at x in every lane, by a load alone.
  static HEED_INLINE I broadcast(const void* x) {
    return _mm256_castps_si256(_mm256_broadcast_ss(static_cast<const float*>(x)));
  }
  static HEED_INLINE void store(float* x, F value) { _mm256_storeu_ps(x, value); }
  static HEED_INLINE void store_bytes(void* x, I value) {
    _mm256_storeu_si256(static_cast<__m256i*>(x), value);
  }
  static HEED_INLINE void store(int32_t* x, I value) { store_bytes(x, value); }
  static HEED_INLINE void store_n(float* x, F value, int32_t n) {
    if (n >= kLanes) {
      store(x, value);
    } else {
      _mm256_maskstore_ps(x, first_n(n), value);
    }
  }
  static HEED_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
  static HEED_INLINE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static HEED_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static HEED_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
  static HEED_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static HEED_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
  static HEED_INLINE F abs_max(F a, F b) {
    return _mm256_max_ps(a, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), b));
  }
  static HEED_INLINE F where_less(F a, F b, F yes, F no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static HEED_INLINE F drop_two_bits(F a) {
    return _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(~3)));
  }
  static HEED_INLINE float max_lanes(F a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
  }
  static HEED_INLINE int32_t sum_lanes(I a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
  }

  static HEED_INLINE I quantise(F x, F inverse) {
    return _mm256_castps_si256(_mm256_fmadd_ps(x, inverse, _mm256_set1_ps(kRounder)));
  }
  /// a & mask | b & ~mask
  static HEED_INLINE I join(I a, I b, I mask) {
    return _mm256_or_si256(_mm256_and_si256(a, mask), _mm256_andnot_si256(mask, b));
  }
  /// The low halves of low and high, side by side.
  static HEED_INLINE I halves(I low, I high) {
    return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa);
  }
  static HEED_INLINE I bytes(I a, I b, I c, I d) {
    return join(halves(a, c), _mm256_slli_epi16(halves(b, d), 8), _mm256_set1_epi16(0xff));
  }
  static HEED_INLINE I first_lanes(I a, int32_t n) { return _mm256_and_si256(a, first_n(n)); }
  template <int32_t kByte>
  static HEED_INLINE F byte(I p) {
    return _mm256_cvtepi32_ps(
        _mm256_and_si256(_mm256_srli_epi32(p, 8 * kByte), _mm256_set1_epi32(0xff)));
  }
  static HEED_INLINE F keep_between(F z, int32_t first, int32_t begin, int32_t end) {
    const I seen = _mm256_andnot_si256(first_n(begin - first), first_n(end - first));
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), z, _mm256_castsi256_ps(seen));
  }

  /// Four lanes each of four rows become four rows of four keys.
  static HEED_INLINE void transpose4(const int32_t* rows, int32_t step, int32_t* out) {
    __m128i a[4];
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + i * step));
    });
    const __m128i low01 = _mm_unpacklo_epi32(a[0], a[1]);
    const __m128i low23 = _mm_unpacklo_epi32(a[2], a[3]);
    const __m128i high01 = _mm_unpackhi_epi32(a[0], a[1]);
    const __m128i high23 = _mm_unpackhi_epi32(a[2], a[3]);
    auto* const to = reinterpret_cast<__m128i*>(out);
    _mm_storeu_si128(to, _mm_unpacklo_epi64(low01, low23));
    _mm_storeu_si128(to + 4, _mm_unpackhi_epi64(low01, low23));
    _mm_storeu_si128(to + 8, _mm_unpacklo_epi64(high01, high23));
    _mm_storeu_si128(to + 12, _mm_unpackhi_epi64(high01, high23));
  }
  template <class Row>
  static HEED_INLINE void max_of_rows(float* out, Row row) {
    max_one_by_one<Ymm>(out, row);
  }
  static HEED_INLINE void row_maxima(const float* rows, int32_t count, float* out) {
    row_maxima_one_by_one<Ymm>(rows, count, out);
  }
  static HEED_INLINE void row_sums(const int32_t* rows, int32_t count, int32_t* out) {
    row_sums_one_by_one<Ymm>(rows, count, out);
  }
  static void transpose(const int32_t* rows, int32_t step, int32_t* out, int32_t groups) {
    transpose_by_four<Ymm>(rows, step, out, groups);
  }

  static HEED_INLINE void settle(I& sums) { __asm__("" : "+x"(sums)); }

  struct Softmax {
    F row_max, c;

    HEED_INLINE Softmax(float largest, float factor) : row_max(set(largest)), c(set(factor)) {}

    template <bool kClamp>
    HEED_INLINE I steps(F z) const {
      const F t = _mm256_fmadd_ps(_mm256_sub_ps(row_max, z), c, _mm256_set1_ps(kRounder));
      return _mm256_castps_si256(kClamp ? _mm256_min_ps(t, _mm256_set1_ps(kRounder + kStepsMax))
                                        : t);
    }
    /// 16-bit powers of two plus rounding: `low` in the low halves, `high` in the high ones.
    HEED_INLINE I powers(I low, I high, const uint32_t* rounding) const {
      const I t = halves(low, high);
      const I f =
          _mm256_slli_epi16(t, 10);  // t % 64, so that the high half of a product drops 6 bits
      I power = _mm256_sub_epi16(_mm256_set1_epi16(kExp2),
                                 _mm256_mulhi_epu16(f, _mm256_set1_epi16(kExp3)));
      power = _mm256_sub_epi16(_mm256_set1_epi16(kExp1), _mm256_mulhi_epu16(f, power));
      power = _mm256_sub_epi16(_mm256_set1_epi16(kExp0), _mm256_mulhi_epu16(f, power));
      power = _mm256_add_epi16(power, power);
      const I shift = _mm256_srli_epi16(t, 6);
      const I zero_half = _mm256_setzero_si256();
      const I at_low = _mm256_srlv_epi32(_mm256_blend_epi16(power, zero_half, 0xaa),
                                         _mm256_blend_epi16(shift, zero_half, 0xaa));
      const I at_high = _mm256_srlv_epi32(power, _mm256_srli_epi32(shift, 16));
      return _mm256_add_epi16(_mm256_blend_epi16(at_low, at_high, 0xaa), load_bytes(rounding));
    }
    /// Of four quarters of a tile, `step` scores apart. Without kClamp they are known to lie less
    /// than kStepsBound steps below the maximum.
    template <bool kClamp>
    HEED_INLINE I probabilities(const float* z, int32_t step, const Rounding& rounding,
                                int32_t lane) const {
      const I even =
          powers(steps<kClamp>(load(z)), steps<kClamp>(load(z + 2 * step)), rounding.even + lane);
      const I odd = powers(steps<kClamp>(load(z + step)), steps<kClamp>(load(z + 3 * step)),
                           rounding.odd + lane);
      return join(_mm256_srli_epi16(even, 8), odd, _mm256_set1_epi16(0xff));
    }
  };
};

}  // namespace
}  // namespace heed
