#include "ops/attention/attention_sdot.h"

namespace heed {
extern const AttentionKernel kAttentionI8mm;

namespace {

// smmla multiplies 2 rows x 8 values by 8 values x 2 columns. Columns lie four values together: two
// registers of them, zipped, are two of what it wants, and three pairs of rows share the zip. The
// models of Neoverse N2 and V1 (llvm-mca 19) take 17.6 and 8.9 cycles for what sdot does in 24.1
// and 12.1; without zips and halves of rows to put together they would take 12 and 6.
struct I8mm : Sdot {
  template <int32_t R, int32_t C>
  static HEED_INLINE void add_groups(Sums (&sums)[R][C], const uint8_t* a, ptrdiff_t a_step,
                                     const int8_t* b, ptrdiff_t group_step, int32_t groups) {
    if constexpr (R == kRows) {
      add_pairs<R, C>(sums, a, a_step, b, group_step, groups);
    } else {
      Sdot::add_groups<R, C>(sums, a, a_step, b, group_step, groups);
    }
  }

 private:
  /// Two groups at a time. While they add up, sums[2 p] and sums[2 p + 1] hold the products of pair
  /// p with columns 0, 1 and 2, 3 of each vector.
  template <int32_t R, int32_t C>
  static HEED_INLINE void add_pairs(Sums (&sums)[R][C], const uint8_t* a, ptrdiff_t a_step,
                                    const int8_t* b, ptrdiff_t group_step, int32_t groups) {
    constexpr int32_t kPairs = R / 2;
    const uint8_t* row[R];
    repeat<R>([&](auto r) HEED_LAMBDA_INLINE { row[r] = a + r * a_step; });
    const int8_t* next = b + group_step;
    const auto add = [&](auto is_last) HEED_LAMBDA_INLINE {
      int8x16_t x[kPairs];
      repeat<kPairs>([&](auto p)
                         HEED_LAMBDA_INLINE { x[p] = load_halves(row[2 * p], row[2 * p + 1]); });
      repeat<C>([&](auto c) HEED_LAMBDA_INLINE {
        const int8x16_t first = load_here<16 * c>(b);
        int8x16_t second = vdupq_n_s8(0);
        if constexpr (is_last == 0) second = load_here<16 * c>(next);
        const int8x16_t low = zip_low(first, second), high = zip_high(first, second);
        repeat<kPairs>([&](auto p) HEED_LAMBDA_INLINE {
          add_square(sums[2 * p][c], x[p], low);
          add_square(sums[2 * p + 1][c], x[p], high);
        });
      });
      b += 2 * group_step;
      next += 2 * group_step;
    };
    if (groups >= 2) {
      const uint8_t* const end = a + groups / 2 * 2 * kOperandBytes;
      do add(Index<0>{});
      while (row[0] != end);
    }
    if (groups % 2 != 0) add(Index<1>{});
    repeat<kPairs * C>([&](auto i) HEED_LAMBDA_INLINE {
      Sums& top = sums[i / C * 2][i % C];
      Sums& bottom = sums[i / C * 2 + 1][i % C];
      const int64x2_t low = vreinterpretq_s64_s32(top), high = vreinterpretq_s64_s32(bottom);
      top = vreinterpretq_s32_s64(vzip1q_s64(low, high));
      bottom = vreinterpretq_s32_s64(vzip2q_s64(low, high));
    });
  }
};

}  // namespace

const AttentionKernel kAttentionI8mm =
    make_attention<I8mm>("i8mm", Isa::neon | Isa::dotprod | Isa::i8mm);

}  // namespace heed
