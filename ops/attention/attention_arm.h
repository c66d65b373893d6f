#pragma once
// What the ARM variants of attention have in common: all but the dot products. aarch64 and armv7.

#include <arm_neon.h>

#include "ops/attention/attention_vec.h"

namespace heed {
namespace {

struct Arm {
  using F = float32x4_t;
  using I = int32x4_t;
  static constexpr int32_t kLanes = 4;
  static constexpr int32_t kBlocks = 1;
  static constexpr int32_t kOperandBytes = 4;
  static constexpr bool kHoldRows = true;

  static HEED_INLINE F set(float x) { return vdupq_n_f32(x); }
  static HEED_INLINE I zero() { return vdupq_n_s32(0); }
  static HEED_INLINE F load(const float* x) { return vld1q_f32(x); }
  static HEED_INLINE I load(const int32_t* x) { return vld1q_s32(x); }
  static HEED_INLINE F load_n(const float* x, int32_t n) {
    if (n >= kLanes) return load(x);
    float part[4] = {};
    for (int32_t i = 0; i < n; ++i) part[i] = x[i];
    return load(part);
  }
  static HEED_INLINE void store(float* x, F value) { vst1q_f32(x, value); }
  static HEED_INLINE void store(int32_t* x, I value) { vst1q_s32(x, value); }
  static HEED_INLINE void store_n(float* x, F value, int32_t n) {
    if (n >= kLanes) {
      store(x, value);
      return;
    }
    float part[4];
    store(part, value);
    for (int32_t i = 0; i < n; ++i) x[i] = part[i];
  }
  static HEED_INLINE F add(F a, F b) { return vaddq_f32(a, b); }
  static HEED_INLINE F sub(F a, F b) { return vsubq_f32(a, b); }
  static HEED_INLINE F mul(F a, F b) { return vmulq_f32(a, b); }
  static HEED_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static HEED_INLINE F max(F a, F b) { return vmaxq_f32(a, b); }
  static HEED_INLINE F abs_max(F a, F b) { return vmaxq_f32(a, vabsq_f32(b)); }
  static HEED_INLINE F where_less(F a, F b, F yes, F no) {
    return vbslq_f32(vcltq_f32(a, b), yes, no);
  }
  static HEED_INLINE F drop_two_bits(F a) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(~3u)));
  }
#if defined(__aarch64__)
  static HEED_INLINE F div(F a, F b) { return vdivq_f32(a, b); }
  static HEED_INLINE float max_lanes(F a) { return vmaxvq_f32(a); }
  static HEED_INLINE int32_t sum_lanes(I a) { return vaddvq_s32(a); }
#else
  static HEED_INLINE F div(F a, F b) {
    float x[4], y[4];
    store(x, a);
    store(y, b);
    for (int32_t i = 0; i < kLanes; ++i) x[i] /= y[i];
    return load(x);
  }
  static HEED_INLINE float max_lanes(F a) {
    const float32x2_t half = vpmax_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(vpmax_f32(half, half), 0);
  }
  static HEED_INLINE int32_t sum_lanes(I a) {
    const int32x2_t half = vpadd_s32(vget_low_s32(a), vget_high_s32(a));
    return vget_lane_s32(vpadd_s32(half, half), 0);
  }
#endif

  static HEED_INLINE I quantise(F x, F inverse) {
    return vreinterpretq_s32_f32(vfmaq_f32(set(kRounder), x, inverse));
  }
  /// The low halves of low and high, side by side.
  static HEED_INLINE int16x8_t halves(I low, I high) {
    return vreinterpretq_s16_s32(vsliq_n_s32(low, high, 16));
  }
  static HEED_INLINE I bytes(I a, I b, I c, I d) {
    return vreinterpretq_s32_s16(vsliq_n_s16(halves(a, c), halves(b, d), 8));
  }
  static HEED_INLINE I add_signed(I sum, I bytes) {
    return vpadalq_s16(sum, vpaddlq_s8(vreinterpretq_s8_s32(bytes)));
  }
  static HEED_INLINE I add_unsigned(I sum, I bytes) {
    return vreinterpretq_s32_u32(
        vpadalq_u16(vreinterpretq_u32_s32(sum), vpaddlq_u8(vreinterpretq_u8_s32(bytes))));
  }
  static HEED_INLINE I lane_numbers() {
    const int32_t numbers[4] = {0, 1, 2, 3};
    return load(numbers);
  }
  static HEED_INLINE I first_lanes(I a, int32_t n) {
    return vandq_s32(a, vreinterpretq_s32_u32(vcltq_s32(lane_numbers(), vdupq_n_s32(n))));
  }
  template <int32_t kByte>
  static HEED_INLINE F byte(I p) {
    const uint32x4_t word = vshlq_u32(vreinterpretq_u32_s32(p), vdupq_n_s32(-8 * kByte));
    return vcvtq_f32_u32(vandq_u32(word, vdupq_n_u32(0xff)));
  }
  static HEED_INLINE F keep_between(F z, int32_t first, int32_t begin, int32_t end) {
    const I at = vaddq_s32(lane_numbers(), vdupq_n_s32(first));
    const uint32x4_t seen =
        vandq_u32(vcgeq_s32(at, vdupq_n_s32(begin)), vcltq_s32(at, vdupq_n_s32(end)));
    return vbslq_f32(seen, z, set(-INFINITY));
  }

  /// Four lanes each of four rows become four rows of four keys.
  static HEED_INLINE void transpose4(const int32_t* rows, int32_t step, int32_t* out) {
    const int32x4x2_t upper = vtrnq_s32(load(rows), load(rows + step));
    const int32x4x2_t lower = vtrnq_s32(load(rows + 2 * step), load(rows + 3 * step));
    repeat<2>([&](auto i) HEED_LAMBDA_INLINE {
      const I a = upper.val[i], b = lower.val[i];
      store(out + i * kBlock, vcombine_s32(vget_low_s32(a), vget_low_s32(b)));
      store(out + (i + 2) * kBlock, vcombine_s32(vget_high_s32(a), vget_high_s32(b)));
    });
  }
  template <class Row>
  static HEED_INLINE void max_of_rows(float* out, Row row) {
    max_one_by_one<Arm>(out, row);
  }
  static HEED_INLINE void row_maxima(const float* rows, int32_t count, float* out) {
    row_maxima_one_by_one<Arm>(rows, count, out);
  }
  static HEED_INLINE void row_sums(const int32_t* rows, int32_t count, int32_t* out) {
    row_sums_one_by_one<Arm>(rows, count, out);
  }
  static void transpose(const int32_t* rows, int32_t step, int32_t* out, int32_t groups) {
    transpose_by_four<Arm>(rows, step, out, groups);
  }

  // Dot products are of signed bytes: probabilities lack 128, the values' sums make up for it.
  static HEED_INLINE void store_query(uint8_t* out, I bytes) {
    vst1q_u8(out, vreinterpretq_u8_s32(bytes));
  }
  static HEED_INLINE void store_probabilities(uint8_t* out, I bytes) {
    vst1q_u8(out, veorq_u8(vreinterpretq_u8_s32(bytes), vdupq_n_u8(0x80)));
  }
  static HEED_INLINE void settle(I& sums) { __asm__("" : "+w"(sums)); }
  static HEED_INLINE F score_offset(F scale) { return scale; }  // not needed
  static HEED_INLINE F score_of(I sum, F scale) { return mul(vcvtq_f32_s32(sum), scale); }
  static HEED_INLINE F weighted_of(I sum, const int32_t* sum_begin, const int32_t* sum_end) {
    const I values = vsubq_s32(load(sum_end), load(sum_begin));
    return vcvtq_f32_s32(vaddq_s32(sum, vshlq_n_s32(values, 7)));
  }

  struct Softmax {
    F row_max, c;

    HEED_INLINE Softmax(float largest, float factor) : row_max(set(largest)), c(set(factor)) {}

    /// Clamps in any case: a shift takes its count from a byte.
    template <bool kClamp>
    HEED_INLINE I steps(F z) const {
      const F t = vfmaq_f32(set(kRounder), vsubq_f32(row_max, z), c);
      return vreinterpretq_s32_f32(vminq_f32(t, set(kRounder + kStepsMax)));
    }
    /// 16-bit powers of two plus rounding: `low` in the low halves, `high` in the high ones.
    HEED_INLINE uint16x8_t powers(I low, I high, const uint32_t* rounding) const {
      const uint16x8_t t = vreinterpretq_u16_s16(halves(low, high));
      // t % 64 so that a doubled product's high half drops 6 bits.
      const int16x8_t f = vreinterpretq_s16_u16(vshrq_n_u16(vshlq_n_u16(t, 10), 1));
      int16x8_t power = vsubq_s16(vdupq_n_s16(kExp2), vqdmulhq_s16(f, vdupq_n_s16(kExp3)));
      power = vsubq_s16(vdupq_n_s16(kExp1), vqdmulhq_s16(f, power));
      power = vsubq_s16(vdupq_n_s16(kExp0), vqdmulhq_s16(f, power));
      const int16x8_t shift = vnegq_s16(vreinterpretq_s16_u16(vshrq_n_u16(t, 6)));
      const uint16x8_t shifted = vshlq_u16(vreinterpretq_u16_s16(vshlq_n_s16(power, 1)), shift);
      return vaddq_u16(shifted, vreinterpretq_u16_u32(vld1q_u32(rounding)));
    }
    /// Of four quarters of a tile, `step` scores apart. Without kClamp they are known to lie less
    /// than kStepsBound steps below the maximum.
    template <bool kClamp>
    HEED_INLINE I probabilities(const float* z, int32_t step, const Rounding& rounding,
                                int32_t lane) const {
      const uint16x8_t even =
          powers(steps<kClamp>(load(z)), steps<kClamp>(load(z + 2 * step)), rounding.even + lane);
      const uint16x8_t odd = powers(steps<kClamp>(load(z + step)),
                                    steps<kClamp>(load(z + 3 * step)), rounding.odd + lane);
      return vreinterpretq_s32_u16(vsriq_n_u16(odd, even, 8));
    }
  };
};

}  // namespace
}  // namespace heed
