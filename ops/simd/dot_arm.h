#pragma once
// Integer dot products on ARM, for loops whose instructions are written one by one: each is
// volatile and stays where it was written. Compilers that order them for themselves run out of
// registers (Clang 19), keep sums in memory or put them next to what they wait for (GCC 12).

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace heed {
namespace {

#define HEED_ONE [[gnu::always_inline]] inline

#if defined(__aarch64__)
template <int kAt>
HEED_ONE int8x16_t load_here(const void* p) {
  int8x16_t a;
  asm volatile("ldr %q0, [%1, %2]" : "=w"(a) : "r"(p), "i"(kAt));
  return a;
}
template <int kAt>
HEED_ONE void load_pair(const void* p, int8x16_t& a, int8x16_t& b) {
  asm volatile("ldp %q0, %q1, [%2, %3]" : "=w"(a), "=w"(b) : "r"(p), "i"(kAt));
}
/// And p moves on.
HEED_ONE int8x16_t load_next(const uint8_t*& p) {
  int8x16_t a;
  asm volatile("ldr %q0, [%1], #16" : "=w"(a), "+r"(p));
  return a;
}

/// Eight bytes at p, then eight at q; both move on.
HEED_ONE int8x16_t load_halves(const uint8_t*& p, const uint8_t*& q) {
  int8x16_t a;
  asm volatile("ldr %d0, [%1], #8" : "=w"(a), "+r"(p));
  asm volatile("ld1 {%0.d}[1], [%1], #8" : "+w"(a), "+r"(q));
  return a;
}

/// Adds four products to each sum: w's with the I-th four of x.
template <int I>
HEED_ONE void add_dot(int32x4_t& sum, int8x16_t w, int8x16_t x) {
  asm volatile("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(sum) : "w"(w), "w"(x), "i"(I));
}
/// Adds eight: sum row 0 of x by rows 0, 1 of w, row 1 by both.
HEED_ONE void add_square(int32x4_t& sum, int8x16_t x, int8x16_t w) {
  asm volatile("smmla %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(x), "w"(w));
}
/// Repeated bytes of a, four of b, four of a, ..
HEED_ONE int8x16_t zip_low(int8x16_t a, int8x16_t b) {
  int8x16_t zipped;
  asm volatile("zip1 %0.4s, %1.4s, %2.4s" : "=w"(zipped) : "w"(a), "w"(b));
  return zipped;
}
HEED_ONE int8x16_t zip_high(int8x16_t a, int8x16_t b) {
  int8x16_t zipped;
  asm volatile("zip2 %0.4s, %1.4s, %2.4s" : "=w"(zipped) : "w"(a), "w"(b));
  return zipped;
}
#endif

// --- without dot product instructions ----------------------------------------------------------

/// Sums of columns 0-1 and 2-3, two neighbouring lanes each.
struct PairSums {
  int32x4_t low, high;
};

#if defined(__aarch64__)
using Repeated = int8x16_t;      // four values, again and again
constexpr int kProductSums = 2;  // of a group of products
/// The vector kAt bytes after p; armv7 reads at p and leaves p at the next.
template <int kAt>
HEED_ONE int8x16_t load_column(const int8_t*& p) {
  return load_here<kAt>(p);
}
template <int kBytes>
HEED_ONE void skip_columns(const int8_t*& p, ptrdiff_t step) {
  p += step;
}
HEED_ONE void multiply_low(int16x8_t& product, int8x16_t w, Repeated x) {
  asm volatile("smull %0.8h, %1.8b, %2.8b" : "+w"(product) : "w"(w), "w"(x));
}
HEED_ONE void multiply_high(int16x8_t& product, int8x16_t w, Repeated x) {
  asm volatile("smull2 %0.8h, %1.16b, %2.16b" : "+w"(product) : "w"(w), "w"(x));
}
HEED_ONE void add_product_low(int16x8_t& sum, int8x16_t w, Repeated x) {
  asm volatile("smlal %0.8h, %1.8b, %2.8b" : "+w"(sum) : "w"(w), "w"(x));
}
HEED_ONE void add_product_high(int16x8_t& sum, int8x16_t w, Repeated x) {
  asm volatile("smlal2 %0.8h, %1.16b, %2.16b" : "+w"(sum) : "w"(w), "w"(x));
}
HEED_ONE void add_pairs(int32x4_t& sum, int16x8_t products) {
  asm volatile("sadalp %0.4s, %1.8h" : "+w"(sum) : "w"(products));
}
HEED_ONE int32x4_t total(const PairSums& sums) { return vpaddq_s32(sums.low, sums.high); }
#else
using Repeated = int8x8_t;
constexpr int kProductSums = 1;
template <int kAt>
HEED_ONE int8x16_t load_column(const int8_t*& p) {
  int8x16_t a;
  asm volatile("vld1.8 {%e0-%f0}, [%1]!" : "=w"(a), "+r"(p));
  return a;
}
template <int kBytes>
HEED_ONE void skip_columns(const int8_t*& p, ptrdiff_t step) {
  p += step - kBytes;
}
HEED_ONE void multiply_low(int16x8_t& product, int8x16_t w, Repeated x) {
  asm volatile("vmull.s8 %q0, %e1, %P2" : "+w"(product) : "w"(w), "w"(x));
}
HEED_ONE void multiply_high(int16x8_t& product, int8x16_t w, Repeated x) {
  asm volatile("vmull.s8 %q0, %f1, %P2" : "+w"(product) : "w"(w), "w"(x));
}
HEED_ONE void add_product_low(int16x8_t& sum, int8x16_t w, Repeated x) {
  asm volatile("vmlal.s8 %q0, %e1, %P2" : "+w"(sum) : "w"(w), "w"(x));
}
HEED_ONE void add_product_high(int16x8_t& sum, int8x16_t w, Repeated x) {
  asm volatile("vmlal.s8 %q0, %f1, %P2" : "+w"(sum) : "w"(w), "w"(x));
}
HEED_ONE void add_pairs(int32x4_t& sum, int16x8_t products) {
  asm volatile("vpadal.s16 %q0, %q1" : "+w"(sum) : "w"(products));
}
HEED_ONE int32x4_t total(const PairSums& sums) {
  return vcombine_s32(vpadd_s32(vget_low_s32(sums.low), vget_high_s32(sums.low)),
                      vpadd_s32(vget_low_s32(sums.high), vget_high_s32(sums.high)));
}
#endif

/// RepeatedEight values of a row.
struct RepeatedEight {
  Repeated first, second;
};
HEED_ONE RepeatedEight repeat_eight(const uint8_t* x) {
#if defined(__aarch64__)
  const int32x4x2_t both = vld2q_dup_s32(reinterpret_cast<const int32_t*>(x));
  return {vreinterpretq_s8_s32(both.val[0]), vreinterpretq_s8_s32(both.val[1])};
#else
  const int32x2x2_t both = vld2_dup_s32(reinterpret_cast<const int32_t*>(x));
  return {vreinterpret_s8_s32(both.val[0]), vreinterpret_s8_s32(both.val[1])};
#endif
}

// Products on their way into kProductSums sums: of a column vector with one row or two, or of a row
// with two vectors. Two products of at most 128 * 127 are added in 16 bits without loss.
struct Products {
  int16x8_t low0, high0, low1, high1;

  HEED_ONE void multiply(int8x16_t w0, Repeated x0, int8x16_t w1, Repeated x1) {
    multiply_low(low0, w0, x0);
    multiply_high(high0, w0, x0);
    if constexpr (kProductSums == 2) {
      multiply_low(low1, w1, x1);
      multiply_high(high1, w1, x1);
    }
  }
  HEED_ONE void multiply_add(int8x16_t w0, Repeated x0, int8x16_t w1, Repeated x1) {
    add_product_low(low0, w0, x0);
    add_product_high(high0, w0, x0);
    if constexpr (kProductSums == 2) {
      add_product_low(low1, w1, x1);
      add_product_high(high1, w1, x1);
    }
  }
  HEED_ONE void add_first_to(PairSums& sum) const {
    add_pairs(sum.low, low0);
    add_pairs(sum.high, high0);
  }
  HEED_ONE void add_second_to(PairSums& sum) const {
    add_pairs(sum.low, low1);
    add_pairs(sum.high, high1);
  }
  HEED_ONE void add_to(PairSums& sum0, PairSums& sum1) const {
    add_first_to(sum0);
    if constexpr (kProductSums == 2) add_second_to(sum1);
  }
};

/// R rows (1, or 2 on aarch64) by V vectors of four columns, eight values of each row in a step.
/// SumAt: a callable, sum_at.template operator()<r, v>() is a PairSums&.
///
/// A core that issues in order waits when a product is added to before it is ready, so each group
/// of products is multiplied, added to and put away with another group's instructions in between,
/// the last of a step with the first of the next. Sums, two groups, rows and two column vectors are
/// 30 registers of aarch64's 32, or 15 of armv7's 16. Six instructions make 32 multiply-adds.
template <int R, int V, class SumAt>
class PairedDot {
 public:
  /// Of the columns' values, the first four of a step lie at `first`, the next at `second`.
  HEED_ONE PairedDot(SumAt sum_at, const int8_t* first, const int8_t* second)
      : sum_at_(sum_at), first_(first), second_(second) {
    const int16x8_t none = vdupq_n_s16(0);
    even_ = odd_ = {none, none, none, none};
  }
  /// column_step: bytes to the next step's columns. x1: of row 1, or row 0 again.
  HEED_ONE void step(const RepeatedEight& x0, const RepeatedEight& x1, ptrdiff_t column_step) {
    int8x16_t first0, first1;
    load<0>(first_, first0, first1);
    put_away<kGroups - 1>(odd_);
    add_group<0>(x0, x1, first0, first1);
    skip_columns<V * 16>(first_, column_step);
    skip_columns<V * 16>(second_, column_step);
  }
  HEED_ONE void finish() { put_away<kGroups - 1>(odd_); }

 private:
  static constexpr int kGroups = R * V / kProductSums;
  static constexpr int kVectors = kProductSums / R;  // of columns in a group
  static_assert(kGroups % 2 == 0 && R <= kProductSums);

  template <int G>
  HEED_ONE void load(const int8_t*& p, int8x16_t& a, int8x16_t& b) {
    a = load_column<G * kVectors * 16>(p);
    b = a;
    if constexpr (kVectors == 2) b = load_column<(G * kVectors + 1) * 16>(p);
  }
  template <int G>
  HEED_ONE void put_away(const Products& products) {
    if constexpr (kVectors == 2) {
      products.add_to(sum_at_.template operator()<0, 2 * G>(),
                      sum_at_.template operator()<0, 2 * G + 1>());
    } else {
      products.add_to(sum_at_.template operator()<0, G>(), sum_at_.template operator()<R - 1, G>());
    }
  }
  template <int G>
  HEED_ONE void add_group(const RepeatedEight& x0, const RepeatedEight& x1, int8x16_t first0,
                          int8x16_t first1) {
    Products& now = G % 2 == 0 ? even_ : odd_;
    int8x16_t second0, second1;
    load<G>(second_, second0, second1);
    now.multiply(first0, x0.first, first1, x1.first);
    if constexpr (G > 0) put_away<G - 1>(G % 2 == 0 ? odd_ : even_);
    if constexpr (G + 1 < kGroups) load<G + 1>(first_, first0, first1);
    now.multiply_add(second0, x0.second, second1, x1.second);
    if constexpr (G + 1 < kGroups) add_group<G + 1>(x0, x1, first0, first1);
  }

  SumAt sum_at_;
  const int8_t* first_;
  const int8_t* second_;
  Products even_, odd_;  // of groups 0, 2, .. and of groups 1, 3, ..
};

#if defined(__aarch64__)
/// Four rows by two neighbouring vectors of columns, eight values of each row in a step: a third
/// less to load than two rows by four vectors ask for. Of the rows, the eight values of each follow
/// those of the row before. Products on their way are those of two rows; sums, they, the two rows
/// and all of a step's columns are 32 registers.
template <class SumAt>
class PairedRows {
 public:
  /// first and second as for PairedDot.
  HEED_ONE PairedRows(SumAt sum_at, const uint8_t* x, const int8_t* first, const int8_t* second)
      : sum_at_(sum_at), x01_(x), x23_(x + 16), first_(first), second_(second) {
    const int16x8_t none = vdupq_n_s16(0);
    even_ = odd_ = {none, none, none, none};
    // Or they would be one pointer, and a load would wait for the addition before it.
    asm("" : "+r"(x23_), "+r"(second_));
  }
  HEED_ONE void step(ptrdiff_t column_step) {
    const int32x4x4_t x01 = vld4q_dup_s32(reinterpret_cast<const int32_t*>(x01_));
    even_.add_first_to(sum<2, 0>());
    const int8x16x2_t first = vld1q_s8_x2(first_);
    even_.add_second_to(sum<2, 1>());
    odd_.add_to(sum<3, 0>(), sum<3, 1>());
    const int8x16x2_t second = vld1q_s8_x2(second_);
    multiply(x01, first, second);
    const int32x4x4_t x23 = vld4q_dup_s32(reinterpret_cast<const int32_t*>(x23_));
    even_.add_to(sum<0, 0>(), sum<0, 1>());
    odd_.add_to(sum<1, 0>(), sum<1, 1>());
    multiply(x23, first, second);
    x01_ += 32;
    x23_ += 32;
    first_ += column_step;
    second_ += column_step;
  }
  HEED_ONE void finish() {
    even_.add_to(sum<2, 0>(), sum<2, 1>());
    odd_.add_to(sum<3, 0>(), sum<3, 1>());
  }

 private:
  template <int Row, int Vector>
  HEED_ONE PairSums& sum() {
    return sum_at_.template operator()<Row, Vector>();
  }
  /// x: row 0's first four values and its second, again and again, then row 1's.
  HEED_ONE void multiply(const int32x4x4_t& x, const int8x16x2_t& first,
                         const int8x16x2_t& second) {
    const auto fours = [&](int i) { return vreinterpretq_s8_s32(x.val[i]); };
    even_.multiply(first.val[0], fours(0), first.val[1], fours(0));
    odd_.multiply(first.val[0], fours(2), first.val[1], fours(2));
    even_.multiply_add(second.val[0], fours(1), second.val[1], fours(1));
    odd_.multiply_add(second.val[0], fours(3), second.val[1], fours(3));
  }

  SumAt sum_at_;
  const uint8_t *x01_, *x23_;
  const int8_t *first_, *second_;
  Products even_, odd_;  // of rows 0, 2 and of rows 1, 3
};
#endif

#undef HEED_ONE

}  // namespace
}  // namespace heed
