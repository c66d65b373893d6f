#include "ops/linear/linear_arm.h"
#include "ops/simd/dot_arm.h"

namespace heed {
namespace {

struct Neon {
  using Acc = PairSums;
  using W = int8x16_t;
  using X = RepeatedEight;
  static constexpr int kLanes = 4;
  static constexpr int kRows = 1;

  template <int R, int V>
  [[gnu::always_inline]] static inline void add(Columns<Neon, R, V>& columns, TileGroup& group) {
    const auto sum_at = [&]<int row, int vector>() __attribute__((always_inline))->PairSums& {
      return sums_at<row>(column_at<vector>(columns));
    };
    PairedDot<R, V, decltype(sum_at)> dot(sum_at, group.w, group.w + kQuad);
    const uint8_t* x = group.x;
    const uint8_t* const end = x + group.width;
    constexpr int kSteps = R == 1 ? 2 : 1;  // two for two rows, and GCC 12 copies inputs about
    do {
      const RepeatedEight x0 = repeat_eight(x);
      dot.step(x0, R == 2 ? repeat_eight(x + group.x_step) : x0, 2 * kQuad);
      if constexpr (kSteps == 2) {
        const RepeatedEight next = repeat_eight(x + 8);
        dot.step(next, next, 2 * kQuad);
      }
      x += kSteps * 8;
    } while (x != end);
    dot.finish();
    group.x = x;
    group.w += group.width / kLinearGroupK * kQuad;
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  template <int>
  [[gnu::always_inline]] static inline int32x4_t row_of(const Acc& acc) {
    return total(acc);
  }
};

#if defined(__aarch64__)
// 2 rows x 16 outputs. Of 48 products and additions in a step, the model of Cortex-A72 (llvm-mca
// 19) multiplies for 32 cycles and takes 32.2; that of Cortex-A53 issues one of them or of 10 loads
// at a time and takes 66.
constexpr Tiles<2, 1> kTiles = {
    1, 1, arm_tile<Neon, 1, 4>, {{arm_tile<Neon, 1, 4>}, {arm_tile<Neon, 2, 4>}}, true};
#else
constexpr Tiles<1, 1> kTiles = {1, 1, arm_tile<Neon, 1, 4>, {{arm_tile<Neon, 1, 4>}}, true};
#endif

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void*) {
  run_tiles(kTiles, args, reinterpret_cast<const uint8_t*>(args.x), args.x_step, args.rows, n_begin,
            n_end);
}

}  // namespace

extern const LinearKernel kLinearNeon;
constinit const LinearKernel kLinearNeon = {"neon", Isa::neon, run};

}  // namespace heed
