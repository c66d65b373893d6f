#include <arm_neon.h>

#include "ops/attention/attention_arm.h"

namespace heed {
extern const AttentionKernel kAttentionDotprod;

namespace {

// Four groups at a time, so that a row's operand is one load and a lane of it multiplies.
struct Dotprod : Arm {
  struct FourColumns {
    int8x16_t group[4];
  };
  using Sums = int32x4_t;
  using Operand = int8x16_t;
  using Columns = FourColumns;
  static constexpr int32_t kGroups = 4;
  static constexpr int32_t kRows = 4;  // 4 x 4 sums, 4 columns, 4 rows: 24 of 32 registers

  static HEED_INLINE Operand operand(const uint8_t* a) { return vreinterpretq_s8_u8(vld1q_u8(a)); }
  static HEED_INLINE Columns columns(const int8_t* b, ptrdiff_t group_step) {
    return {{vld1q_s8(b), vld1q_s8(b + group_step), vld1q_s8(b + 2 * group_step),
             vld1q_s8(b + 3 * group_step)}};
  }
  static HEED_INLINE Columns last_columns(const int8_t* b, ptrdiff_t group_step, int32_t groups) {
    const int8x16_t none = vdupq_n_s8(0);
    return {{vld1q_s8(b), groups > 1 ? vld1q_s8(b + group_step) : none,
             groups > 2 ? vld1q_s8(b + 2 * group_step) : none, none}};
  }
  static HEED_INLINE Sums dot(Sums sums, Operand a, const Columns& b) {
    sums = vdotq_laneq_s32(sums, b.group[0], a, 0);
    sums = vdotq_laneq_s32(sums, b.group[1], a, 1);
    sums = vdotq_laneq_s32(sums, b.group[2], a, 2);
    return vdotq_laneq_s32(sums, b.group[3], a, 3);
  }
  static HEED_INLINE Sums start_scores(const int32_t*) { return zero(); }
  static HEED_INLINE F score(Sums sums, F scale, F) { return score_of(sums, scale); }
  static HEED_INLINE Sums start_values() { return zero(); }
  static HEED_INLINE F weighted(Sums sums, const int32_t* begin, const int32_t* end) {
    return weighted_of(sums, begin, end);
  }
};

}  // namespace

const AttentionKernel kAttentionDotprod =
    make_attention<Dotprod>("dotprod", Isa::neon | Isa::dotprod);

}  // namespace heed
