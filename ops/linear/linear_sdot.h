#pragma once
// The tile description of the signed dot product instruction: dotprod's own, and i8mm's for odd
// rows.

#include <arm_neon.h>

#include "ops/linear/linear_tile.h"

namespace heed {
namespace {

struct Sdot {
  using Acc = int32x4_t;
  using W = int8x16_t;
  using X = int8x16_t;  // 16 inputs of a row; dot<i> takes the i-th four of them
  static constexpr int kLanes = 4;
  static constexpr int kRows = 1;
  static constexpr int kStep = 16;
  static constexpr ptrdiff_t kStepBytes = 16;
  static constexpr int kAdds = 4;
  static constexpr int kUnroll = 1;

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) {
    return vreinterpretq_s8_u8(vld1q_u8(p));
  }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) { return vld1q_s8(p); }
  template <int I>
  [[gnu::always_inline]] static inline Acc dot(Acc acc, X x, W w) {
#if defined(__clang__)
    return vdotq_laneq_s32(acc, w, x, I);
#else
    // GCC 12 copies accumulators to other registers and to memory around the intrinsic.
    asm("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(acc) : "w"(w), "w"(x), "i"(I));
    return acc;
#endif
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) { return vdupq_n_s32(0); }
  [[gnu::always_inline]] static inline void finish(Acc acc, const TileEnd& end) {
    const float32x4_t scale = vmulq_n_f32(vld1q_f32(end.w_scale), *end.x_scale);
    vst1q_f32(end.y, vfmaq_f32(vld1q_f32(end.t), vcvtq_f32_s32(acc), scale));
  }
};

}  // namespace
}  // namespace heed
