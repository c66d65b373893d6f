#include "ops/linear/linear_sdot.h"

namespace heed {
namespace {

// smmla multiplies 2 rows x 8 inputs by 8 inputs x 2 outputs. The weights' registers hold 4 outputs
// x 4 inputs; two of them, zipped, make two of what it wants, and 6 pairs of rows share the zip.
struct Smmla {
  struct Squares {  // row 0 of two outputs, row 1 of the same: outputs 0-1, outputs 2-3
    int32x4_t low;
    int32x4_t high;
  };
  struct Eights {  // 8 inputs of two outputs each
    int8x16_t low;
    int8x16_t high;
  };
  using Acc = Squares;
  using W = Eights;
  using X = const uint8_t*;  // read where it is used: the registers are full
  static constexpr int kLanes = 4;
  static constexpr int kRows = 2;
  static constexpr int kStep = 8;
  static constexpr ptrdiff_t kStepBytes = 16;
  static constexpr int kAdds = 1;
  static constexpr int kUnroll = 1;

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) { return p; }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) {
    const int32x4_t first = vreinterpretq_s32_s8(vld1q_s8(p));
    const int32x4_t second = vreinterpretq_s32_s8(vld1q_s8(p + kQuad));
    return {vreinterpretq_s8_s32(vzip1q_s32(first, second)),
            vreinterpretq_s8_s32(vzip2q_s32(first, second))};
  }
  template <int>
  [[gnu::always_inline]] static inline Acc dot(const Acc& acc, X p, const W& w) {
    const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(p));
    return {vmmlaq_s32(acc.low, x, w.low), vmmlaq_s32(acc.high, x, w.high)};
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  [[gnu::always_inline]] static inline void finish_row(int32x2_t low, int32x2_t high, float x_scale,
                                                       const float* w_scale, const float* t,
                                                       float* y) {
    const float32x4_t scale = vmulq_n_f32(vld1q_f32(w_scale), x_scale);
    vst1q_f32(y, vfmaq_f32(vld1q_f32(t), vcvtq_f32_s32(vcombine_s32(low, high)), scale));
  }
  [[gnu::always_inline]] static inline void finish(const Acc& acc, const TileEnd& end) {
    finish_row(vget_low_s32(acc.low), vget_low_s32(acc.high), *end.x_scale, end.w_scale, end.t,
               end.y);
    finish_row(vget_high_s32(acc.low), vget_high_s32(acc.high), end.x_scale[end.x_scale_step],
               end.w_scale, end.t + end.t_step, end.y + end.y_step);
  }
};

// Pairs of rows, 8 inputs of one and then 8 of the other.
void copy_paired(const LinearArgs& args, int32_t pairs, ptrdiff_t k_padded, int8_t* out) {
  for (int32_t pair = 0; pair < pairs; ++pair) {
    const int8_t* first = args.x + 2 * pair * args.x_step;
    const int8_t* second = first + args.x_step;
    for (ptrdiff_t k = 0; k < k_padded; k += 8) {
      vst1q_s8(out, vcombine_s8(vld1_s8(first + k), vld1_s8(second + k)));
      out += 16;
    }
  }
}

// 12 rows x 8 outputs in 24 accumulators; a block of 16 outputs is two such tiles.
constexpr Tiles<6, 1> kPairTiles = {2,
                                    1,
                                    tile<Smmla, 1, 4>,
                                    {{tile<Smmla, 1, 4>},
                                     {block_tile<Smmla, 2, 2>},
                                     {block_tile<Smmla, 3, 2>},
                                     {block_tile<Smmla, 4, 2>},
                                     {block_tile<Smmla, 5, 2>},
                                     {block_tile<Smmla, 6, 2>}}};
constexpr Tiles<1, 1> kRowTiles = {1, 2, tile<Sdot, 1, 8>, {{tile<Sdot, 1, 4>}}};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  const int32_t pairs = args.rows / 2;
  if (pairs > 0) {
    int8_t* x = static_cast<int8_t*>(scratch);
    copy_paired(args, pairs, k_padded, x);
    run_tiles(kPairTiles, args, reinterpret_cast<const uint8_t*>(x), 2 * k_padded, pairs, n_begin,
              n_end);
  }
  if (args.rows % 2 != 0) {
    const int32_t m = args.rows - 1;
    LinearArgs last = args;
    last.x_scale += m * args.x_scale_step;
    last.y += m * args.y_step;
    const int8_t* x = args.x + m * args.x_step;
    run_tiles(kRowTiles, last, reinterpret_cast<const uint8_t*>(x), args.x_step, 1, n_begin, n_end);
  }
}

}  // namespace

extern const LinearKernel kLinearI8mm;
constinit const LinearKernel kLinearI8mm = {"i8mm", Isa::neon | Isa::dotprod | Isa::i8mm, run};

}  // namespace heed
