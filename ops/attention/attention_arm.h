#pragma once
// What the ARM variants of attention have in common: all but the dot products. aarch64 and armv7.

#include <arm_neon.h>

#include "ops/attention/attention_vec.h"

namespace heed {
namespace {

#if defined(__aarch64__)
// The exponential's table as two of bytes. A distance of e steps to the largest is looked up as
// 63 - e: its low six bits count the fraction backwards, what is above them is minus the octaves.
struct ByteTables {
  alignas(64) uint8_t low[64], high[64];
};
constexpr ByteTables make_byte_tables() {
  ByteTables tables{};
  for (int32_t f = 0; f < 64; ++f) {
    tables.low[63 - f] = static_cast<uint8_t>(kExpTable.value[f] & 0xff);
    tables.high[63 - f] = static_cast<uint8_t>(kExpTable.value[f] >> 8);
  }
  return tables;
}
constexpr ByteTables kByteTables = make_byte_tables();
#endif

struct Arm {
  using F = float32x4_t;
  using I = int32x4_t;
  static constexpr int32_t kLanes = 4;
  static constexpr int32_t kBlocks = 1;
  static constexpr int32_t kOperandBytes = 4;
  static constexpr bool kBeside = false;
  static constexpr bool kCounts = false;

  static HEED_INLINE F set(float x) { return vdupq_n_f32(x); }
  static HEED_INLINE F to_float(I x) { return vcvtq_f32_s32(x); }
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
  static HEED_INLINE F add(F a, F b) { return vaddq_f32(a, b); }
  static HEED_INLINE I add(I a, I b) { return vaddq_s32(a, b); }
  static HEED_INLINE F sub(F a, F b) { return vsubq_f32(a, b); }
  static HEED_INLINE F mul(F a, F b) { return vmulq_f32(a, b); }
  static HEED_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static HEED_INLINE F max(F a, F b) { return vmaxq_f32(a, b); }
  static HEED_INLINE F min(F a, F b) { return vminq_f32(a, b); }
  static HEED_INLINE F abs_max(F m, F a, F b) {
    return vmaxq_f32(vmaxq_f32(m, vabsq_f32(a)), vabsq_f32(b));
  }
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
  /// Quantised a, b, c, d as bytes, in this order.
  static HEED_INLINE I quads(I a, I b, I c, I d) {
    const auto evens = [](I x, I y) HEED_LAMBDA_INLINE {
      return vreinterpretq_s8_s16(
          vuzpq_s16(vreinterpretq_s16_s32(x), vreinterpretq_s16_s32(y)).val[0]);
    };
    return vreinterpretq_s32_s8(vuzpq_s8(evens(a, b), evens(c, d)).val[0]);
  }
  /// Their low bytes, side by side in each lane.
  static HEED_INLINE I bytes(I a, I b, I c, I d) {
    return vreinterpretq_s32_s16(vsliq_n_s16(halves(a, c), halves(b, d), 8));
  }
  static HEED_INLINE I add_signed(I sum, I bytes) {
    return vpadalq_s16(sum, vpaddlq_s8(vreinterpretq_s8_s32(bytes)));
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
  template <int32_t N>
  static HEED_INLINE void max_of_rows(float* out, const float* rows) {
    max_one_by_one<Arm, N>(out, rows);
  }
  static HEED_INLINE void row_sums(const int32_t* rows, int32_t count, int32_t* out) {
    row_sums_one_by_one<Arm>(rows, count, out);
  }
  static HEED_INLINE void max_steps_of_rows(const int16_t* rows, int32_t count, int32_t* out) {
    max_steps_one_by_one<Arm>(rows, count, out);
  }
  static HEED_INLINE void transpose(const int32_t* rows, int32_t* out, int32_t groups) {
    transpose_by_four<Arm>(rows, out, groups);
  }

  // Dot products are of signed bytes.
  static HEED_INLINE void store_query(uint8_t* out, I bytes) {
    vst1q_u8(out, vreinterpretq_u8_s32(bytes));
  }
  static HEED_INLINE void settle(I& sums) { __asm__("" : "+w"(sums)); }
  static HEED_INLINE I start_of(I key_sum) {
    return vsubq_s32(vdupq_n_s32(kRounderBits), vshlq_n_s32(key_sum, 7));
  }
  static HEED_INLINE F score_of(I sum, F scale) { return mul(vcvtq_f32_s32(sum), scale); }
  static HEED_INLINE F weighted_of(I sum, const int32_t* sum_begin, const int32_t* sum_end) {
    const I values = vsubq_s32(load(sum_end), load(sum_begin));
    return vcvtq_f32_s32(vaddq_s32(sum, vshlq_n_s32(values, 7)));
  }

  // Steps: T is a vector of 16-bit ones, keys in their natural order.
  using T = int16x8_t;
  static constexpr KeyOrder kKeyAt = natural_key_order();
  static constexpr Rounding kRounding = make_rounding(kKeyAt);
  static constexpr int32_t kProbabilityTile = 64;
  static constexpr uint8_t kProbabilityAt[16] = {0,  4,  8,  12, 16, 20, 24, 28,
                                                 32, 36, 40, 44, 48, 52, 56, 60};
#if defined(__aarch64__)
  static HEED_INLINE I round(F x) { return vcvtnq_s32_f32(x); }
  static HEED_INLINE T narrow(I a, I b) { return vqmovn_high_s32(vqmovn_s32(a), b); }
  static HEED_INLINE int32_t max_steps(T a) { return vmaxvq_s16(a); }
#else
  /// Below 2^23 by adding and taking off a number whose last bit is 1; above there is no fraction.
  static HEED_INLINE I round(F x) {
    const F magic = vbslq_f32(vdupq_n_u32(0x80000000u), x, set(0x1p23f));
    const F rounded = vsubq_f32(vaddq_f32(x, magic), magic);
    return vcvtq_s32_f32(vbslq_f32(vcltq_f32(vabsq_f32(x), set(0x1p23f)), rounded, x));
  }
  static HEED_INLINE T narrow(I a, I b) { return vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)); }
  static HEED_INLINE int32_t max_steps(T a) {
    int16x4_t most = vmax_s16(vget_low_s16(a), vget_high_s16(a));
    most = vpmax_s16(most, most);
    return vget_lane_s16(vpmax_s16(most, most), 0);
  }
#endif
  static HEED_INLINE T load(const int16_t* x) { return vld1q_s16(x); }
  static HEED_INLINE void store(int16_t* x, T value) { vst1q_s16(x, value); }
  static HEED_INLINE T lowest_steps() { return vdupq_n_s16(INT16_MIN); }
  static HEED_INLINE T larger_steps(T a, T b) { return vmaxq_s16(a, b); }
  static HEED_INLINE T keep_between(T t, T key, int32_t begin, int32_t end) {
    const T first = vdupq_n_s16(static_cast<int16_t>(larger(begin, 0)));
    const T last = vdupq_n_s16(static_cast<int16_t>(smaller(end, kTile)));
    return vbslq_s16(vandq_u16(vcgeq_s16(key, first), vcltq_s16(key, last)), t, lowest_steps());
  }
  /// Adds a tile of probabilities to a row's sums: 16 bytes a lane, each of which lacks 128.
  static HEED_INLINE I add_probabilities(I total, const uint8_t* tile) {
    int16x8_t sum = vdupq_n_s16(0);
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      sum = vpadalq_s8(sum, vreinterpretq_s8_u8(vld1q_u8(tile + 16 * i)));
    });
    return vpadalq_s16(vaddq_s32(total, vdupq_n_s32(16 * 128)), sum);
  }
  static HEED_INLINE void map_block(const uint8_t* tile, int32_t group, F inverse, float* out) {
    const uint8x16_t p = veorq_u8(vld1q_u8(tile + group * 4), vdupq_n_u8(0x80));
    const uint16x8_t low = vmovl_u8(vget_low_u8(p)), high = vmovl_u8(vget_high_u8(p));
    const auto put = [&](int32_t at, uint16x4_t words) HEED_LAMBDA_INLINE {
      store(out + at, mul(vcvtq_f32_u32(vmovl_u16(words)), inverse));
    };
    put(0, vget_low_u16(low));
    put(4, vget_high_u16(low));
    put(8, vget_low_u16(high));
    put(12, vget_high_u16(high));
  }

#if defined(__aarch64__)
  struct Softmax {
    uint8x16x4_t low, high;
    T most;

    // What put_probabilities makes probabilities of, sixteen at a time.
    struct Powers {
      const Softmax& softmax;
      T place;  // in the tables, 63 - e
      const uint16_t* rounding;
    };

    HEED_INLINE explicit Softmax(int16_t largest)
        : low(vld1q_u8_x4(kByteTables.low)),
          high(vld1q_u8_x4(kByteTables.high)),
          most(vdupq_n_s16(static_cast<int16_t>(largest - 63))) {}

    HEED_INLINE Powers powers(T steps, const uint16_t* rounding) const {
      return {*this, vqsubq_s16(steps, most), rounding};
    }
    /// A shift takes its count from a signed byte: 127 octaves are as good as any more.
    static HEED_INLINE int16x8_t octaves(T place) {
      return vmaxq_s16(vshrq_n_s16(place, 6), vdupq_n_s16(-127));
    }
    HEED_INLINE uint8x16_t probabilities(const Powers& a, const Powers& b) const {
      const uint8x16_t places = vandq_u8(
          vuzp1q_u8(vreinterpretq_u8_s16(a.place), vreinterpretq_u8_s16(b.place)), vdupq_n_u8(63));
      const uint8x16_t l = vqtbl4q_u8(low, places), h = vqtbl4q_u8(high, places);
      const uint16x8_t first = vreinterpretq_u16_u8(vzip1q_u8(l, h));
      const uint16x8_t second = vreinterpretq_u16_u8(vzip2q_u8(l, h));
      const uint8x8_t front = vaddhn_u16(vshlq_u16(first, octaves(a.place)), vld1q_u16(a.rounding));
      return vaddhn_high_u16(front, vshlq_u16(second, octaves(b.place)), vld1q_u16(b.rounding));
    }
  };
#else
  struct Softmax {
    T most;

    struct Powers {
      const Softmax& softmax;
      uint16x8_t power;  // 16-bit power of two, and the rounding added
    };

    HEED_INLINE explicit Softmax(int16_t largest) : most(vdupq_n_s16(largest)) {}

    HEED_INLINE Powers powers(T steps, const uint16_t* rounding) const {
      const uint16x8_t t = vreinterpretq_u16_s16(vsubq_s16(most, steps));
      // t % 64 so that a doubled product's high half drops 6 bits.
      const int16x8_t f = vreinterpretq_s16_u16(vshrq_n_u16(vshlq_n_u16(t, 10), 1));
      int16x8_t power = vsubq_s16(vdupq_n_s16(kExp2), vqdmulhq_s16(f, vdupq_n_s16(kExp3)));
      power = vsubq_s16(vdupq_n_s16(kExp1), vqdmulhq_s16(f, power));
      power = vsubq_s16(vdupq_n_s16(kExp0), vqdmulhq_s16(f, power));
      // Twice that, shifted right. A shift takes its count from a signed byte: 127 octaves are as
      // good as any more.
      const uint16x8_t octaves = vminq_u16(vshrq_n_u16(t, 6), vdupq_n_u16(127));
      const int16x8_t shift = vsubq_s16(vdupq_n_s16(1), vreinterpretq_s16_u16(octaves));
      const uint16x8_t shifted = vshlq_u16(vreinterpretq_u16_s16(power), shift);
      return {*this, vaddq_u16(shifted, vld1q_u16(rounding))};
    }
    HEED_INLINE uint8x16_t probabilities(const Powers& a, const Powers& b) const {
      return vcombine_u8(vshrn_n_u16(a.power, 8), vshrn_n_u16(b.power, 8));
    }
  };
#endif
  /// Stores sixteen probabilities. They lack 128, to be signed; the values' sums make up for it.
  static HEED_INLINE void put_probabilities(uint8_t* out, const Softmax::Powers& low,
                                            const Softmax::Powers& high) {
    vst1q_u8(out, veorq_u8(low.softmax.probabilities(low, high), vdupq_n_u8(0x80)));
  }
};

}  // namespace
}  // namespace heed
