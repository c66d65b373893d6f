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
    if constexpr (R == 4) {
      add_rows(sum_at, group);
    } else {
      add_columns<R, V>(sum_at, group);
    }
    group.w += group.width / kLinearGroupK * kQuad;
  }
  template <int R, int V, class SumAt>
  [[gnu::always_inline]] static inline void add_columns(SumAt sum_at, TileGroup& group) {
    PairedDot<R, V, SumAt> dot(sum_at, group.w, group.w + kQuad);
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
  }
#if defined(__aarch64__)
  template <class SumAt>
  [[gnu::always_inline]] static inline void add_rows(SumAt sum_at, TileGroup& group) {
    PairedRows<SumAt> dot(sum_at, group.x, group.w, group.w + kQuad);
    int64_t left = group.width;
    do {
      dot.step(2 * kQuad);
      asm volatile("sub %0, %0, #8" : "+r"(left));
    } while (left != 0);
    dot.finish();
    group.x += 4 * group.width;
  }
#endif
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  template <int>
  [[gnu::always_inline]] static inline int32x4_t row_of(const Acc& acc) {
    return total(acc);
  }
};

#if defined(__aarch64__)
// 4 rows x 8 outputs; of the rows that are left, 2 x 16. A step of 8 inputs is 48 products and
// additions in both, for 96 loaded bytes and for 144. The model of Cortex-A72 (llvm-mca 14, 19)
// multiplies for 32 cycles and takes 32.2. That of Cortex-A53 issues one of the 48 at a time,
// beside them loads of several registers, but a load of one, an integer or a jump only where
// nothing issued earlier ends later: 48 + 7 cycles for the four pointers and the count, and 66 for
// 2 x 16. What has been measured on a Cortex-A53 (insn_bench_aarch64's tables; the comments of
// XNNPACK and ncnn agree) makes it 64 + 12 + 3 and 64 + 18 + 3: sadalp takes two cycles, loads take
// one for 8 bytes and admit nothing of 128 bits beside them, but an integer costs nothing behind a
// product.
constexpr Tiles<1, 1> kFourRows = {
    4, 1, arm_block_tile<Neon, 4, 2>, {{arm_block_tile<Neon, 4, 2>}}, true};
constexpr Tiles<2, 1> kTiles = {
    1, 1, arm_tile<Neon, 1, 4>, {{arm_tile<Neon, 1, 4>}, {arm_tile<Neon, 2, 4>}}, true};
#else
constexpr Tiles<1, 1> kTiles = {1, 1, arm_tile<Neon, 1, 4>, {{arm_tile<Neon, 1, 4>}}, true};
#endif

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, [[maybe_unused]] void* scratch) {
  LinearArgs rest = args;
#if defined(__aarch64__)
  if (const int32_t fours = args.rows / 4; fours > 0) {
    const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
    int8_t* x = static_cast<int8_t*>(scratch);
    copy_paired(args, 2 * fours, 2, k_padded, x);
    run_tiles(kFourRows, args, reinterpret_cast<const uint8_t*>(x), 4 * k_padded, fours, n_begin,
              n_end);
    rest = rows_from(args, 4 * fours);
    if (rest.rows == 0) return;
  }
#endif
  run_tiles(kTiles, rest, reinterpret_cast<const uint8_t*>(rest.x), rest.x_step, rest.rows, n_begin,
            n_end);
}

}  // namespace

extern const LinearKernel kLinearNeon;
constinit const LinearKernel kLinearNeon = {"neon", Isa::neon, run};

}  // namespace heed
