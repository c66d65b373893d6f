#pragma once
// Sixteen floats, AVX-512: the vector the row families are written over. vec_avx2.h and vec_neon.h
// hold the same names; each function gives the same bits in all three (ops/rows.h: NaNs and armv7
// denormals excepted). Everything is unnamed: an ISA file must not leave code for others to link.

#include <immintrin.h>
#include <stdint.h>

namespace heed {
namespace {

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct Mask16 {
  __mmask16 m;
};

/// Rows that a loop with a serial sum takes together, to hide the latency of the add. With eight,
/// rows of 1024 floats (4 KiB apart) push each other out of the first cache: measured 60 % slower.
constexpr int kRowBlock = 4;

inline F32x16 set1(float a) { return {_mm512_set1_ps(a)}; }
inline I32x16 set1_i32(int32_t a) { return {_mm512_set1_epi32(a)}; }
inline F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }

/// Lanes 0 .. n-1; n in 0 .. 16.
inline Mask16 first_lanes(int32_t n) { return {static_cast<__mmask16>((1u << n) - 1u)}; }
/// Touches nothing at or beyond p + n; the other lanes are 0.
inline F32x16 load_partial(const float* p, int32_t n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n).m, p)};
}
inline void store_partial(float* p, F32x16 a, int32_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n).m, a.v);
}

inline F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
/// c - a * b
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F32x16 sqrt(F32x16 a) { return {_mm512_maskz_sqrt_ps(0xffff, a.v)}; }

/// a > b ? a : b, and a < b ? a : b: also for zeros of either sign.
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_maskz_max_ps(0xffff, a.v, b.v)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_maskz_min_ps(0xffff, a.v, b.v)}; }
inline F32x16 abs(F32x16 a) {
  return {_mm512_castsi512_ps(
      _mm512_and_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x7fffffff)))};
}
inline F32x16 neg(F32x16 a) {
  return {_mm512_castsi512_ps(
      _mm512_xor_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(INT32_MIN)))};
}
/// max(m, |a|) for m without a sign bit: such floats are ordered as integers are, and the integer
/// maximum takes one cycle where the float one takes four.
inline F32x16 max_abs(F32x16 m, F32x16 a) {
  return {_mm512_castsi512_ps(
      _mm512_maskz_max_epu32(0xffff, _mm512_castps_si512(m.v), _mm512_castps_si512(abs(a).v)))};
}
/// min(limit, |x|), limit without a sign bit; NaN passes through.
inline F32x16 min_abs(F32x16 limit, F32x16 x) { return min(limit, abs(x)); }
/// max(a, 0), never -0.
inline F32x16 relu(F32x16 a) { return max(a, F32x16{_mm512_setzero_ps()}); }

/// To nearest even, down, up; the sign of a zero result is that of a.
inline F32x16 round_even(F32x16 a) { return {_mm512_maskz_roundscale_ps(0xffff, a.v, 0x08)}; }
inline F32x16 floor(F32x16 a) { return {_mm512_maskz_roundscale_ps(0xffff, a.v, 0x09)}; }
inline F32x16 ceil(F32x16 a) { return {_mm512_maskz_roundscale_ps(0xffff, a.v, 0x0a)}; }

inline Mask16 less(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask16 less_equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
inline Mask16 equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
/// mask ? a : b
inline F32x16 select(Mask16 mask, F32x16 a, F32x16 b) {
  return {_mm512_mask_blend_ps(mask.m, b.v, a.v)};
}
/// One byte per lane: non-zero is true.
inline Mask16 load_mask(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm_test_epi8_mask(bytes, bytes)};
}
/// One byte per lane: 1 or 0.
inline void store_mask(uint8_t* p, Mask16 mask) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_maskz_set1_epi8(mask.m, 1));
}

inline I32x16 bits(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
inline F32x16 from_bits(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
inline I32x16 operator+(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I32x16 operator-(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I32x16 operator&(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I32x16 operator|(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return {_mm512_maskz_slli_epi32(0xffff, a.v, kBits)};
}
/// Keeps the sign.
template <int kBits>
inline I32x16 shift_right(I32x16 a) {
  return {_mm512_maskz_srai_epi32(0xffff, a.v, kBits)};
}
inline F32x16 to_float(I32x16 a) { return {_mm512_maskz_cvtepi32_ps(0xffff, a.v)}; }

/// Rounds to nearest even and saturates to -127 .. 127; |a| below 2^31.
inline void store_i8(int8_t* p, F32x16 a) {
  const __m128i q = _mm512_maskz_cvtsepi32_epi8(0xffff, _mm512_maskz_cvtps_epi32(0xffff, a.v));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_max_epi8(q, _mm_set1_epi8(-127)));
}
/// The same for kI8Block vectors: the packing works on 128-bit lanes, one permutation puts them
/// back.
constexpr int kI8Block = 4;
inline void store_i8_block(int8_t* p, const F32x16* a) {
  __m512i q[4];
  for (int i = 0; i < 4; ++i) q[i] = _mm512_maskz_cvtps_epi32(0xffff, a[i].v);
  const __m512i bytes =
      _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i sorted = _mm512_maskz_permutexvar_epi32(0xffff, order, bytes);
  _mm512_storeu_si512(p, _mm512_max_epi8(sorted, _mm512_set1_epi8(-127)));
}
inline F32x16 load_i8(const int8_t* p) {
  const __m128i q = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return to_float({_mm512_maskz_cvtepi8_epi32(0xffff, q)});
}
inline F32x16 load_i8_partial(const int8_t* p, int32_t n) {
  const __m128i q = _mm_maskz_loadu_epi8(first_lanes(n).m, p);
  return to_float({_mm512_maskz_cvtepi8_epi32(0xffff, q)});
}

inline __m256 low_half(F32x16 a) { return _mm512_maskz_extractf32x8_ps(0xff, a.v, 0); }
inline __m256 high_half(F32x16 a) { return _mm512_maskz_extractf32x8_ps(0xff, a.v, 1); }

/// Folds lanes 8, 4, 2, 1 apart.
inline float sum(F32x16 a) {
  const __m256 b = _mm256_add_ps(low_half(a), high_half(a));
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float max(F32x16 a) {
  const __m256 b = _mm256_max_ps(low_half(a), high_half(a));
  const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}
inline float sqrt(float a) { return __builtin_sqrtf(a); }

/// out[r] = what folding leaves of the r-th of four vectors, in the same order.
template <class Fold>
inline void fold_four(const F32x16* a, float* out, Fold fold) {
  const auto halves = [fold](F32x16 x, F32x16 y) {
    return fold(F32x16{_mm512_shuffle_f32x4(x.v, y.v, 0x44)},
                F32x16{_mm512_shuffle_f32x4(x.v, y.v, 0xee)});
  };
  const F32x16 ab = halves(a[0], a[1]), cd = halves(a[2], a[3]);
  const F32x16 fours = fold(F32x16{_mm512_shuffle_f32x4(ab.v, cd.v, 0x88)},
                            F32x16{_mm512_shuffle_f32x4(ab.v, cd.v, 0xdd)});
  const F32x16 twos = fold(fours, F32x16{_mm512_permute_ps(fours.v, 0x4e)});
  const F32x16 ones = fold(twos, F32x16{_mm512_permute_ps(twos.v, 0xb1)});
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_maskz_permutexvar_ps(0xffff, firsts, ones.v)));
}

}  // namespace
}  // namespace heed
