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
  static constexpr bool kBeside = false;
  static constexpr bool kCounts = false;

  /// All bits of the lanes below n.
  static HEED_INLINE I first_n(int32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  static HEED_INLINE F set(float x) { return _mm256_set1_ps(x); }
  static HEED_INLINE F to_float(I x) { return _mm256_cvtepi32_ps(x); }
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
  static HEED_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
  static HEED_INLINE I add(I a, I b) { return _mm256_add_epi32(a, b); }
  static HEED_INLINE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static HEED_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static HEED_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
  static HEED_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static HEED_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
  static HEED_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
  static HEED_INLINE F abs_max(F m, F a, F b) {
    const F magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(INT32_MAX));
    return max(max(m, _mm256_and_ps(a, magnitude)), _mm256_and_ps(b, magnitude));
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
  /// Quantised a, b, c, d as bytes, in this order.
  static HEED_INLINE I quads(I a, I b, I c, I d) {
    const auto number = [](I x) HEED_LAMBDA_INLINE {
      return _mm256_sub_epi32(x, _mm256_set1_epi32(kRounderBits));
    };
    const I taking_turns = _mm256_packs_epi16(_mm256_packs_epi32(number(a), number(b)),
                                              _mm256_packs_epi32(number(c), number(d)));
    return _mm256_permutevar8x32_epi32(taking_turns, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  /// Their low bytes, side by side in each lane.
  static HEED_INLINE I bytes(I a, I b, I c, I d) {
    return join(halves(a, c), _mm256_slli_epi16(halves(b, d), 8), _mm256_set1_epi16(0xff));
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
  template <int32_t N>
  static HEED_INLINE void max_of_rows(float* out, const float* rows) {
    max_one_by_one<Ymm, N>(out, rows);
  }
  static HEED_INLINE void row_sums(const int32_t* rows, int32_t count, int32_t* out) {
    row_sums_one_by_one<Ymm>(rows, count, out);
  }
  static HEED_INLINE void max_steps_of_rows(const int16_t* rows, int32_t count, int32_t* out) {
    max_steps_one_by_one<Ymm>(rows, count, out);
  }
  static HEED_INLINE void transpose(const int32_t* rows, int32_t* out, int32_t groups) {
    transpose_by_four<Ymm>(rows, out, groups);
  }

  static HEED_INLINE I start_of(I key_sum) {
    return _mm256_sub_epi32(_mm256_set1_epi32(kRounderBits), _mm256_slli_epi32(key_sum, 7));
  }
  static HEED_INLINE void settle(I& sums) { __asm__("" : "+x"(sums)); }

  // Steps: T is a vector of 16-bit ones.
  using T = __m256i;
  static constexpr KeyOrder kKeyAt = make_key_order<2>();
  static constexpr Rounding kRounding = make_rounding(kKeyAt);
  static HEED_INLINE I round(F x) { return _mm256_cvtps_epi32(x); }
  static HEED_INLINE T narrow(I a, I b) { return _mm256_packs_epi32(a, b); }
  static HEED_INLINE T load(const int16_t* x) { return load_bytes(x); }
  static HEED_INLINE void store(int16_t* x, T value) { store_bytes(x, value); }
  static HEED_INLINE T lowest_steps() { return _mm256_set1_epi16(INT16_MIN); }
  static HEED_INLINE T larger_steps(T a, T b) { return _mm256_max_epi16(a, b); }
  static HEED_INLINE int32_t max_steps(T a) {
    const __m128i half = _mm_max_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    // Flipped, the largest signed number is the smallest unsigned one.
    const __m128i flipped = _mm_xor_si128(half, _mm_set1_epi16(INT16_MAX));
    return static_cast<int16_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(flipped)) ^ INT16_MAX);
  }
  static HEED_INLINE T keep_between(T t, T key, int32_t begin, int32_t end) {
    const T first = _mm256_set1_epi16(static_cast<int16_t>(larger(begin, 0)));
    const T last = _mm256_set1_epi16(static_cast<int16_t>(smaller(end, kTile)));
    const T seen =
        _mm256_andnot_si256(_mm256_cmpgt_epi16(first, key), _mm256_cmpgt_epi16(last, key));
    return _mm256_blendv_epi8(lowest_steps(), t, seen);
  }
  /// map[0 .. 15] = bytes times inverse.
  static HEED_INLINE void map_bytes(__m128i bytes, F inverse, float* out) {
    store(out, mul(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), inverse));
    store(out + kLanes,
          mul(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes))), inverse));
  }

  struct Softmax {
    T most;

    HEED_INLINE explicit Softmax(int16_t largest) : most(_mm256_set1_epi16(largest)) {}

    /// 16-bit powers of two, and the rounding added.
    HEED_INLINE T powers(T steps, const uint16_t* rounding) const {
      const T t = _mm256_sub_epi16(most, steps);
      const T f =
          _mm256_slli_epi16(t, 10);  // t % 64, so that the high half of a product drops 6 bits
      T power = _mm256_sub_epi16(_mm256_set1_epi16(kExp2),
                                 _mm256_mulhi_epu16(f, _mm256_set1_epi16(kExp3)));
      power = _mm256_sub_epi16(_mm256_set1_epi16(kExp1), _mm256_mulhi_epu16(f, power));
      power = _mm256_sub_epi16(_mm256_set1_epi16(kExp0), _mm256_mulhi_epu16(f, power));
      power = _mm256_add_epi16(power, power);
      const T shift = _mm256_srli_epi16(t, 6);
      const T zero_half = _mm256_setzero_si256();
      const T at_low = _mm256_srlv_epi32(_mm256_blend_epi16(power, zero_half, 0xaa),
                                         _mm256_blend_epi16(shift, zero_half, 0xaa));
      const T at_high = _mm256_srlv_epi32(power, _mm256_srli_epi32(shift, 16));
      return _mm256_add_epi16(_mm256_blend_epi16(at_low, at_high, 0xaa), load_bytes(rounding));
    }
  };
};

}  // namespace
}  // namespace heed
