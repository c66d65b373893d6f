#pragma once
// Attention over the signed dot product instruction: dotprod's own, and i8mm's for blocks of rows
// that are not whole.

#include "ops/attention/attention_arm.h"
#include "ops/simd/dot_arm.h"

namespace heed {
namespace {

// Four groups at a time, so that a row's operand is one load and a lane of it multiplies.
struct Sdot : Arm {
  using Sums = int32x4_t;
  using Operand = int8x16_t;
  static constexpr int32_t kGroups = 4;
  static constexpr int32_t kRows = 6;  // 6 x 4 sums, 6 rows, 2 columns: all 32 registers
  static constexpr bool kOrdered = true;

  /// 116 instructions for 96 dot products. The model of Neoverse N1, whose vector unit is
  /// Cortex-A76's (llvm-mca 19), takes 48.1 cycles for them, 2 at a time.
  template <int32_t R, int32_t C>
  static HEED_INLINE void add_groups(Sums (&sums)[R][C], const uint8_t* a, ptrdiff_t a_step,
                                     const int8_t* b, ptrdiff_t group_step, int32_t groups) {
    static_assert(C == 4);
    const uint8_t* row[R];
    Operand x[R];
    repeat<R>([&](auto r) HEED_LAMBDA_INLINE { row[r] = a + r * a_step; });
    const auto load_rows = [&]() HEED_LAMBDA_INLINE {
      repeat<R>([&](auto r) HEED_LAMBDA_INLINE { x[r] = load_next(row[r]); });
    };
    const auto add_group = [&](auto i) HEED_LAMBDA_INLINE {
      repeat<2>([&](auto half) HEED_LAMBDA_INLINE {
        int8x16_t column[2];
        load_pair<32 * half>(b, column[0], column[1]);
        repeat<2 * R>([&](auto n) HEED_LAMBDA_INLINE {
          add_dot<i>(sums[n % R][2 * half + n / R], column[n / R], x[n % R]);
        });
      });
      b += group_step;
    };
    if (groups >= kGroups) {
      const uint8_t* const end = a + groups / kGroups * kGroups * kOperandBytes;
      do {
        load_rows();
        repeat<kGroups>([&](auto i) HEED_LAMBDA_INLINE { add_group(i); });
      } while (row[0] != end);
    }
    const int32_t left = groups % kGroups;
    if (left == 0) return;
    load_rows();
    add_group(Index<0>{});
    if (left > 1) add_group(Index<1>{});
    if (left > 2) add_group(Index<2>{});
  }
  static HEED_INLINE Sums start_scores(const int32_t*) { return zero(); }
  static HEED_INLINE F score(Sums sums, F scale, F) { return score_of(sums, scale); }
  static HEED_INLINE Sums start_values() { return zero(); }
  static HEED_INLINE F weighted(Sums sums, const int32_t* begin, const int32_t* end) {
    return weighted_of(sums, begin, end);
  }
};

}  // namespace
}  // namespace heed
