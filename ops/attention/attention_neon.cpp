// NEON without dot products: products of two groups of four are added in 16 bits (2 * 128 * 127
// fits), then in pairs to 32 bits; the two sums of a column meet at the end.

#include <arm_neon.h>

#include "ops/attention/attention_arm.h"

namespace heed {
extern const AttentionKernel kAttentionNeon;

namespace {

struct Neon : Arm {
  struct Pairs {
    int32x4_t low, high;  // two sums each of columns 0, 1 and 2, 3
  };
#if defined(__aarch64__)
  using Repeated = int8x16_t;  // so that the high half multiplies in place
#else
  using Repeated = int8x8_t;
#endif
  struct TwoGroups {
    Repeated first, second;  // each group of four, again and again
  };
  struct TwoColumns {
    int8x16_t first, second;
  };
  using Sums = Pairs;
  using Operand = TwoGroups;
  using Columns = TwoColumns;
  static constexpr int32_t kGroups = 2;
#if defined(__aarch64__)
  static constexpr int32_t kRows = 2;  // 2 x 4 pairs of sums, 2 columns, 2 rows: 22 of 32 registers
#else
  static constexpr int32_t kRows = 1;  // 4 pairs of sums, 2 columns, a row: 11 of 16 registers
#endif

  static HEED_INLINE Operand operand(const uint8_t* a) {
    const int32x2_t both = vreinterpret_s32_u8(vld1_u8(a));
#if defined(__aarch64__)
    return {vreinterpretq_s8_s32(vdupq_lane_s32(both, 0)),
            vreinterpretq_s8_s32(vdupq_lane_s32(both, 1))};
#else
    return {vreinterpret_s8_s32(vdup_lane_s32(both, 0)),
            vreinterpret_s8_s32(vdup_lane_s32(both, 1))};
#endif
  }
  static HEED_INLINE Columns columns(const int8_t* b, ptrdiff_t group_step) {
    return {vld1q_s8(b), vld1q_s8(b + group_step)};
  }
  static HEED_INLINE Columns last_columns(const int8_t* b, ptrdiff_t, int32_t) {
    return {vld1q_s8(b), vdupq_n_s8(0)};
  }
  static HEED_INLINE Sums dot(const Sums& sums, const Operand& a, const Columns& b) {
#if defined(__aarch64__)
    const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(a.first), vget_low_s8(b.first)),
                                   vget_low_s8(a.second), vget_low_s8(b.second));
    const int16x8_t high = vmlal_high_s8(vmull_high_s8(a.first, b.first), a.second, b.second);
#else
    const int16x8_t low =
        vmlal_s8(vmull_s8(a.first, vget_low_s8(b.first)), a.second, vget_low_s8(b.second));
    const int16x8_t high =
        vmlal_s8(vmull_s8(a.first, vget_high_s8(b.first)), a.second, vget_high_s8(b.second));
#endif
    return {vpadalq_s16(sums.low, low), vpadalq_s16(sums.high, high)};
  }
  static HEED_INLINE void settle(Sums& sums) {
    Arm::settle(sums.low);
    Arm::settle(sums.high);
  }
  static HEED_INLINE I total(const Sums& sums) {
#if defined(__aarch64__)
    return vpaddq_s32(sums.low, sums.high);
#else
    return vcombine_s32(vpadd_s32(vget_low_s32(sums.low), vget_high_s32(sums.low)),
                        vpadd_s32(vget_low_s32(sums.high), vget_high_s32(sums.high)));
#endif
  }
  static HEED_INLINE Sums start_scores(const int32_t*) { return {zero(), zero()}; }
  static HEED_INLINE F score(const Sums& sums, F scale, F) { return score_of(total(sums), scale); }
  static HEED_INLINE Sums start_values() { return {zero(), zero()}; }
  static HEED_INLINE F weighted(const Sums& sums, const int32_t* begin, const int32_t* end) {
    return weighted_of(total(sums), begin, end);
  }
};

}  // namespace

const AttentionKernel kAttentionNeon = make_attention<Neon>("neon", Isa::neon);

}  // namespace heed
