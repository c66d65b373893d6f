#include <arm_neon.h>

#include "ops/linear/linear_tile.h"

namespace heed {
namespace {

typedef int32_t Quad __attribute__((aligned(1), may_alias));

#if defined(__aarch64__)
int8x16_t repeat_four(const uint8_t* p) {
  return vreinterpretq_s8_s32(vdupq_n_s32(*reinterpret_cast<const Quad*>(p)));
}
int16x8_t multiply_high(int8x16_t a, int8x16_t b) { return vmull_high_s8(a, b); }
int16x8_t multiply_add_high(int16x8_t sum, int8x16_t a, int8x16_t b) {
  return vmlal_high_s8(sum, a, b);
}
#else
int8x16_t repeat_four(const uint8_t* p) {
  return vreinterpretq_s8_s32(vld1q_dup_s32(reinterpret_cast<const Quad*>(p)));
}
// The halves of b are equal.
int16x8_t multiply_high(int8x16_t a, int8x16_t b) {
  return vmull_s8(vget_high_s8(a), vget_low_s8(b));
}
int16x8_t multiply_add_high(int16x8_t sum, int8x16_t a, int8x16_t b) {
  return vmlal_s8(sum, vget_high_s8(a), vget_low_s8(b));
}
#endif

// Two products of values up to 127 are at most 32258: they are added in 16 bits without loss, then
// in pairs to 32 bits.
struct Neon {
  struct Pairs {  // of outputs 0-1 and 2-3, two neighbouring lanes each
    int32x4_t low;
    int32x4_t high;
  };
  struct Eight {  // inputs k .. k+3 and k+4 .. k+7
    int8x16_t first;
    int8x16_t second;
  };
  using Acc = Pairs;
  using W = Eight;
  using X = Eight;
  static constexpr int kLanes = 4;
  static constexpr int kRows = 1;
  static constexpr int kStep = 8;
  static constexpr ptrdiff_t kStepBytes = 8;
  static constexpr int kAdds = 1;
  static constexpr int kUnroll = 1;

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) {
    return {repeat_four(p), repeat_four(p + 4)};
  }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) {
    return {vld1q_s8(p), vld1q_s8(p + kQuad)};
  }
  template <int>
  [[gnu::always_inline]] static inline Acc dot(const Acc& acc, const X& x, const W& w) {
    int16x8_t low = vmull_s8(vget_low_s8(w.first), vget_low_s8(x.first));
    int16x8_t high = multiply_high(w.first, x.first);
    low = vmlal_s8(low, vget_low_s8(w.second), vget_low_s8(x.second));
    high = multiply_add_high(high, w.second, x.second);
    return {vpadalq_s16(acc.low, low), vpadalq_s16(acc.high, high)};
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  [[gnu::always_inline]] static inline void finish(const Acc& acc, const TileEnd& end) {
#if defined(__aarch64__)
    const int32x4_t sums = vpaddq_s32(acc.low, acc.high);
#else
    const int32x4_t sums = vcombine_s32(vpadd_s32(vget_low_s32(acc.low), vget_high_s32(acc.low)),
                                        vpadd_s32(vget_low_s32(acc.high), vget_high_s32(acc.high)));
#endif
    const float32x4_t scale = vmulq_n_f32(vld1q_f32(end.w_scale), *end.x_scale);
    vst1q_f32(end.y, vfmaq_f32(vld1q_f32(end.t), vcvtq_f32_s32(sums), scale));
  }
};

#if defined(__aarch64__)
// 2 rows x 16 outputs: 16 accumulators, 4 registers of inputs, 2 of weights, 2 of products.
constexpr Tiles<2, 1> kTiles = {1, 1, tile<Neon, 1, 4>, {{tile<Neon, 1, 4>}, {tile<Neon, 2, 4>}}};
#else
// 16 registers: 2 rows x 8 outputs in 8 accumulators, 2 of inputs, 2 of weights, 2 of products.
constexpr Tiles<2, 1> kTiles = {
    1, 1, tile<Neon, 1, 4>, {{tile<Neon, 1, 4>}, {block_tile<Neon, 2, 2>}}};
#endif

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void*) {
  run_tiles(kTiles, args, reinterpret_cast<const uint8_t*>(args.x), args.x_step, args.rows, n_begin,
            n_end);
}

}  // namespace

extern const LinearKernel kLinearNeon;
constinit const LinearKernel kLinearNeon = {"neon", Isa::neon, run};

}  // namespace heed
