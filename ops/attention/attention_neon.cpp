// NEON without dot products: products of two groups of four are added in 16 bits (2 * 128 * 127
// fits), then in pairs to 32 bits; the two sums of a column meet at the end.

#include <arm_neon.h>

#include "ops/attention/attention_arm.h"
#include "ops/simd/dot_arm.h"

namespace heed {
extern const AttentionKernel kAttentionNeon;

namespace {

struct Neon : Arm {
  using Sums = PairSums;
  static constexpr int32_t kGroups = 2;
#if defined(__aarch64__)
  static constexpr int32_t kRows = 2;  // 2 x 4 pairs of sums, 2 columns, 2 rows: 22 of 32 registers
#else
  static constexpr int32_t kRows = 1;  // 4 pairs of sums, 2 columns, a row: 11 of 16 registers
#endif

  static constexpr bool kOrdered = true;

  template <int32_t R, int32_t C>
  static HEED_INLINE void add_groups(Sums (&sums)[R][C], const uint8_t* a, ptrdiff_t a_step,
                                     const int8_t* b, ptrdiff_t group_step, int32_t groups) {
    const auto sum_at = [&]<int32_t r, int32_t c>()
                            HEED_LAMBDA_INLINE -> PairSums& { return sums[r][c]; };
    const auto row1 = [&](const RepeatedEight& x0)
                          HEED_LAMBDA_INLINE { return R == 2 ? repeat_eight(a + a_step) : x0; };
    if (groups >= kGroups) {
      const uint8_t* const end = a + groups / kGroups * kGroups * kOperandBytes;
      PairedDot<R, C, decltype(sum_at)> dot(sum_at, b, b + group_step);
      do {
        const RepeatedEight x0 = repeat_eight(a);
        dot.step(x0, row1(x0), 2 * group_step);
        a += kGroups * kOperandBytes;
      } while (a != end);
      dot.finish();
    }
    if (groups % kGroups != 0) {
      b += (groups - 1) * group_step;
      PairedDot<R, C, decltype(sum_at)> half(sum_at, b, b);
      RepeatedEight x0 = repeat_eight(a), x1 = row1(x0);
      x0.second = x1.second = Repeated{};
      half.step(x0, x1, 0);
      half.finish();
    }
  }
  static HEED_INLINE void settle(Sums& sums) {
    Arm::settle(sums.low);
    Arm::settle(sums.high);
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
