#pragma once
// Sixteen floats, NEON: four registers of four. Names and bits as in vec_avx512.h. armv7 (VFPv4)
// has no vector division, square root or rounding to nearest even: lanes go through the scalar unit
// (IEEE), rounding through the addition of 1.5 * 2^23.

#include <arm_neon.h>
#include <stdint.h>

namespace heed {
namespace {

struct F32x16 {
  float32x4_t v[4];
};
struct I32x16 {
  int32x4_t v[4];
};
struct Mask16 {
  uint32x4_t v[4];  // all bits of a lane set: true
};

constexpr int kRowBlock = 1;

template <class F>
inline F32x16 each(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
template <class F>
inline I32x16 each_i32(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
template <class F>
inline Mask16 each_mask(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}

inline F32x16 set1(float a) {
  return each([&](int) { return vdupq_n_f32(a); });
}
inline I32x16 set1_i32(int32_t a) {
  return each_i32([&](int) { return vdupq_n_s32(a); });
}
inline F32x16 load(const float* p) {
  return each([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline void store(float* p, F32x16 a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}

inline Mask16 first_lanes(int32_t n) {
  static const int32_t kLane[4] = {0, 1, 2, 3};
  const int32x4_t lane = vld1q_s32(kLane);
  return each_mask([&](int i) { return vcltq_s32(lane, vdupq_n_s32(n - 4 * i)); });
}
inline F32x16 load_partial(const float* p, int32_t n) {
  float lanes[16] = {};
  for (int32_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
inline void store_partial(float* p, F32x16 a, int32_t n) {
  float lanes[16];
  store(lanes, a);
  for (int32_t i = 0; i < n; ++i) p[i] = lanes[i];
}

inline F32x16 operator+(F32x16 a, F32x16 b) {
  return each([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline F32x16 operator-(F32x16 a, F32x16 b) {
  return each([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline F32x16 operator*(F32x16 a, F32x16 b) {
  return each([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return each([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
  return each([&](int i) { return vfmsq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline F32x16 abs(F32x16 a) {
  return each([&](int i) { return vabsq_f32(a.v[i]); });
}
inline F32x16 neg(F32x16 a) {
  return each([&](int i) { return vnegq_f32(a.v[i]); });
}

inline Mask16 less(F32x16 a, F32x16 b) {
  return each_mask([&](int i) { return vcltq_f32(a.v[i], b.v[i]); });
}
inline Mask16 less_equal(F32x16 a, F32x16 b) {
  return each_mask([&](int i) { return vcleq_f32(a.v[i], b.v[i]); });
}
inline Mask16 equal(F32x16 a, F32x16 b) {
  return each_mask([&](int i) { return vceqq_f32(a.v[i], b.v[i]); });
}
inline F32x16 select(Mask16 mask, F32x16 a, F32x16 b) {
  return each([&](int i) { return vbslq_f32(mask.v[i], a.v[i], b.v[i]); });
}

// vmaxq orders -0 below +0; the comparison keeps the second operand, as x86 does.
inline F32x16 max(F32x16 a, F32x16 b) { return select(less(b, a), a, b); }
inline F32x16 min(F32x16 a, F32x16 b) { return select(less(a, b), a, b); }
inline F32x16 max_abs(F32x16 m, F32x16 a) {
  return each([&](int i) { return vmaxq_f32(m.v[i], vabsq_f32(a.v[i])); });
}
inline F32x16 min_abs(F32x16 limit, F32x16 x) {
  return each([&](int i) { return vminq_f32(limit.v[i], vabsq_f32(x.v[i])); });
}
inline F32x16 relu(F32x16 a) {
  return each([&](int i) { return vmaxq_f32(a.v[i], vdupq_n_f32(0.0f)); });
}

inline float sqrt(float a) { return __builtin_sqrtf(a); }

#if defined(__aarch64__)
inline F32x16 operator/(F32x16 a, F32x16 b) {
  return each([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
inline F32x16 sqrt(F32x16 a) {
  return each([&](int i) { return vsqrtq_f32(a.v[i]); });
}
inline F32x16 round_even(F32x16 a) {
  return each([&](int i) { return vrndnq_f32(a.v[i]); });
}
inline F32x16 floor(F32x16 a) {
  return each([&](int i) { return vrndmq_f32(a.v[i]); });
}
inline F32x16 ceil(F32x16 a) {
  return each([&](int i) { return vrndpq_f32(a.v[i]); });
}
inline int32x4_t to_int(float32x4_t a) { return vcvtnq_s32_f32(a); }
#else
inline F32x16 operator/(F32x16 a, F32x16 b) {
  float x[16], y[16];
  store(x, a);
  store(y, b);
  for (int i = 0; i < 16; ++i) x[i] = x[i] / y[i];
  return load(x);
}
inline F32x16 sqrt(F32x16 a) {
  float x[16];
  store(x, a);
  for (int i = 0; i < 16; ++i) x[i] = sqrt(x[i]);
  return load(x);
}
/// magnitude with the sign bit of `sign`
inline float32x4_t with_sign(float32x4_t magnitude, float32x4_t sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
inline float32x4_t round_even(float32x4_t a) {
  const float32x4_t magnitude = vabsq_f32(a), whole = vdupq_n_f32(0x1p23f);
  const float32x4_t rounded = vsubq_f32(vaddq_f32(magnitude, whole), whole);
  return with_sign(vbslq_f32(vcltq_f32(magnitude, whole), rounded, magnitude), a);
}
inline F32x16 round_even(F32x16 a) {
  return each([&](int i) { return round_even(a.v[i]); });
}
inline F32x16 floor(F32x16 a) {
  return each([&](int i) {
    const float32x4_t r = round_even(a.v[i]), below = vsubq_f32(r, vdupq_n_f32(1.0f));
    return with_sign(vbslq_f32(vcgtq_f32(r, a.v[i]), below, r), a.v[i]);
  });
}
inline F32x16 ceil(F32x16 a) {
  return each([&](int i) {
    const float32x4_t r = round_even(a.v[i]), above = vaddq_f32(r, vdupq_n_f32(1.0f));
    return with_sign(vbslq_f32(vcltq_f32(r, a.v[i]), above, r), a.v[i]);
  });
}
inline int32x4_t to_int(float32x4_t a) { return vcvtq_s32_f32(round_even(a)); }
#endif

inline Mask16 load_mask(const uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p), truth = vtstq_u8(bytes, bytes);
  const int16x8_t lo = vmovl_s8(vreinterpret_s8_u8(vget_low_u8(truth)));
  const int16x8_t hi = vmovl_s8(vreinterpret_s8_u8(vget_high_u8(truth)));
  return {{vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(lo))),
           vreinterpretq_u32_s32(vmovl_s16(vget_high_s16(lo))),
           vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(hi))),
           vreinterpretq_u32_s32(vmovl_s16(vget_high_s16(hi)))}};
}
inline void store_mask(uint8_t* p, Mask16 mask) {
  const uint16x8_t lo = vcombine_u16(vmovn_u32(mask.v[0]), vmovn_u32(mask.v[1]));
  const uint16x8_t hi = vcombine_u16(vmovn_u32(mask.v[2]), vmovn_u32(mask.v[3]));
  const uint8x16_t bytes = vcombine_u8(vmovn_u16(lo), vmovn_u16(hi));
  vst1q_u8(p, vandq_u8(bytes, vdupq_n_u8(1)));
}

inline I32x16 bits(F32x16 a) {
  return each_i32([&](int i) { return vreinterpretq_s32_f32(a.v[i]); });
}
inline F32x16 from_bits(I32x16 a) {
  return each([&](int i) { return vreinterpretq_f32_s32(a.v[i]); });
}
inline I32x16 operator+(I32x16 a, I32x16 b) {
  return each_i32([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
inline I32x16 operator-(I32x16 a, I32x16 b) {
  return each_i32([&](int i) { return vsubq_s32(a.v[i], b.v[i]); });
}
inline I32x16 operator&(I32x16 a, I32x16 b) {
  return each_i32([&](int i) { return vandq_s32(a.v[i], b.v[i]); });
}
inline I32x16 operator|(I32x16 a, I32x16 b) {
  return each_i32([&](int i) { return vorrq_s32(a.v[i], b.v[i]); });
}
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return each_i32([&](int i) { return vshlq_n_s32(a.v[i], kBits); });
}
template <int kBits>
inline I32x16 shift_right(I32x16 a) {
  return each_i32([&](int i) { return vshrq_n_s32(a.v[i], kBits); });
}
inline F32x16 to_float(I32x16 a) {
  return each([&](int i) { return vcvtq_f32_s32(a.v[i]); });
}

inline void store_i8(int8_t* p, F32x16 a) {
  const int16x8_t lo = vcombine_s16(vqmovn_s32(to_int(a.v[0])), vqmovn_s32(to_int(a.v[1])));
  const int16x8_t hi = vcombine_s16(vqmovn_s32(to_int(a.v[2])), vqmovn_s32(to_int(a.v[3])));
  const int8x16_t q = vcombine_s8(vqmovn_s16(lo), vqmovn_s16(hi));
  vst1q_s8(p, vmaxq_s8(q, vdupq_n_s8(-127)));
}
constexpr int kI8Block = 1;
inline void store_i8_block(int8_t* p, const F32x16* a) { store_i8(p, *a); }
inline F32x16 load_i8(const int8_t* p) {
  const int8x16_t q = vld1q_s8(p);
  const int16x8_t lo = vmovl_s8(vget_low_s8(q)), hi = vmovl_s8(vget_high_s8(q));
  return to_float({{vmovl_s16(vget_low_s16(lo)), vmovl_s16(vget_high_s16(lo)),
                    vmovl_s16(vget_low_s16(hi)), vmovl_s16(vget_high_s16(hi))}});
}
inline F32x16 load_i8_partial(const int8_t* p, int32_t n) {
  int8_t lanes[16] = {};
  for (int32_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load_i8(lanes);
}

inline float sum(F32x16 a) {
  const float32x4_t b = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
  const float32x2_t c = vadd_f32(vget_low_f32(b), vget_high_f32(b));
  return vget_lane_f32(c, 0) + vget_lane_f32(c, 1);
}
inline float32x4_t larger(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline float max(F32x16 a) {
  const float32x4_t b = larger(larger(a.v[0], a.v[2]), larger(a.v[1], a.v[3]));
  const float l0 = vgetq_lane_f32(b, 0), l1 = vgetq_lane_f32(b, 1);
  const float l2 = vgetq_lane_f32(b, 2), l3 = vgetq_lane_f32(b, 3);
  const float m0 = l0 > l2 ? l0 : l2, m1 = l1 > l3 ? l1 : l3;
  return m0 > m1 ? m0 : m1;
}

}  // namespace
}  // namespace heed
