#include "ops/linear/linear_arm.h"

namespace heed {
namespace {

// The instructions of the loop over K, one each and volatile: they stay in the order in which they
// are written. A compiler that orders them runs out of registers (Clang 19) or puts sums next to
// what they wait for (GCC 12).
#if defined(__aarch64__)
using Four = int8x16_t;   // four inputs, again and again
constexpr int kSums = 2;  // of a group of products
template <int kAt, int kNext>
[[gnu::always_inline]] inline int8x16_t load(const int8_t*& w) {
  int8x16_t value;
  asm volatile("ldr %q0, [%1, %2]" : "=w"(value) : "r"(w), "i"(kAt));
  return value;
}
template <int kBytes>
[[gnu::always_inline]] inline void advance(const int8_t*& w) {
  w += kBytes;
}
[[gnu::always_inline]] inline int16x8_t multiply_low(int8x16_t w, Four x) {
  int16x8_t product;
  asm volatile("smull %0.8h, %1.8b, %2.8b" : "=w"(product) : "w"(w), "w"(x));
  return product;
}
[[gnu::always_inline]] inline int16x8_t multiply_high(int8x16_t w, Four x) {
  int16x8_t product;
  asm volatile("smull2 %0.8h, %1.16b, %2.16b" : "=w"(product) : "w"(w), "w"(x));
  return product;
}
[[gnu::always_inline]] inline void add_product_low(int16x8_t& sum, int8x16_t w, Four x) {
  asm volatile("smlal %0.8h, %1.8b, %2.8b" : "+w"(sum) : "w"(w), "w"(x));
}
[[gnu::always_inline]] inline void add_product_high(int16x8_t& sum, int8x16_t w, Four x) {
  asm volatile("smlal2 %0.8h, %1.16b, %2.16b" : "+w"(sum) : "w"(w), "w"(x));
}
[[gnu::always_inline]] inline void add_pairs(int32x4_t& sum, int16x8_t products) {
  asm volatile("sadalp %0.4s, %1.8h" : "+w"(sum) : "w"(products));
}
[[gnu::always_inline]] inline int32x4_t pair_sums(int32x4_t a, int32x4_t b) {
  return vpaddq_s32(a, b);
}
#else
using Four = int8x8_t;
constexpr int kSums = 1;
// Leaves w at the next load's place.
template <int kAt, int kNext>
[[gnu::always_inline]] inline int8x16_t load(const int8_t*& w) {
  int8x16_t value;
  asm volatile("vld1.8 {%e0-%f0}, [%1], %2" : "=w"(value), "+r"(w) : "r"(kNext - kAt));
  return value;
}
template <int kBytes>
[[gnu::always_inline]] inline void advance(const int8_t*&) {}
[[gnu::always_inline]] inline int16x8_t multiply_low(int8x16_t w, Four x) {
  int16x8_t product;
  asm volatile("vmull.s8 %q0, %e1, %P2" : "=w"(product) : "w"(w), "w"(x));
  return product;
}
[[gnu::always_inline]] inline int16x8_t multiply_high(int8x16_t w, Four x) {
  int16x8_t product;
  asm volatile("vmull.s8 %q0, %f1, %P2" : "=w"(product) : "w"(w), "w"(x));
  return product;
}
[[gnu::always_inline]] inline void add_product_low(int16x8_t& sum, int8x16_t w, Four x) {
  asm volatile("vmlal.s8 %q0, %e1, %P2" : "+w"(sum) : "w"(w), "w"(x));
}
[[gnu::always_inline]] inline void add_product_high(int16x8_t& sum, int8x16_t w, Four x) {
  asm volatile("vmlal.s8 %q0, %f1, %P2" : "+w"(sum) : "w"(w), "w"(x));
}
[[gnu::always_inline]] inline void add_pairs(int32x4_t& sum, int16x8_t products) {
  asm volatile("vpadal.s16 %q0, %q1" : "+w"(sum) : "w"(products));
}
[[gnu::always_inline]] inline int32x4_t pair_sums(int32x4_t a, int32x4_t b) {
  return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)),
                      vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}
#endif

struct Eight {
  Four first, second;  // inputs k .. k+3 and k+4 .. k+7 of a row
};
[[gnu::always_inline]] inline Eight inputs_of(const uint8_t* x) {
#if defined(__aarch64__)
  const int32x4x2_t both = vld2q_dup_s32(reinterpret_cast<const int32_t*>(x));
  return {vreinterpretq_s8_s32(both.val[0]), vreinterpretq_s8_s32(both.val[1])};
#else
  const int32x2x2_t both = vld2_dup_s32(reinterpret_cast<const int32_t*>(x));
  return {vreinterpret_s8_s32(both.val[0]), vreinterpret_s8_s32(both.val[1])};
#endif
}

// Two products of values up to 127 are at most 32258: they are added in 16 bits without loss, then
// in pairs to 32 bits. Six instructions for 32 multiply-adds.
struct Neon {
  struct Pairs {  // of outputs 0-1 and 2-3, two neighbouring lanes each
    int32x4_t low;
    int32x4_t high;
  };
  using Acc = Pairs;
  using W = int8x16_t;
  using X = Eight;
  static constexpr int kLanes = 4;
  static constexpr int kRows = 1;
  static constexpr int kVector = kLanes * kLinearGroupK;

  // Products on their way into kSums sums: of a vector of weights with one row or two, or of a row
  // with two vectors.
  struct Products {
    int16x8_t low0, high0, low1, high1;

    [[gnu::always_inline]] inline void multiply(W w0, Four x0, W w1, Four x1) {
      low0 = multiply_low(w0, x0);
      high0 = multiply_high(w0, x0);
      if constexpr (kSums == 2) {
        low1 = multiply_low(w1, x1);
        high1 = multiply_high(w1, x1);
      }
    }
    [[gnu::always_inline]] inline void multiply_add(W w0, Four x0, W w1, Four x1) {
      add_product_low(low0, w0, x0);
      add_product_high(high0, w0, x0);
      if constexpr (kSums == 2) {
        add_product_low(low1, w1, x1);
        add_product_high(high1, w1, x1);
      }
    }
    [[gnu::always_inline]] inline void add_to(Acc& sum0, Acc& sum1) const {
      add_pairs(sum0.low, low0);
      add_pairs(sum0.high, high0);
      if constexpr (kSums == 2) {
        add_pairs(sum1.low, low1);
        add_pairs(sum1.high, high1);
      }
    }
  };

  /// One step of the loop over K, eight inputs of each row. A core that issues in order waits when
  /// a product is added to before it is ready, so each group of products is multiplied, added to
  /// and put away with another group's instructions in between, the last of a step with the first
  /// of the next. Sums, two groups, inputs and two vectors of weights are 30 registers of 32, or
  /// all 16 of armv7.
  template <int R, int V>
  struct Step {
    static constexpr int kGroups = R * V / kSums;
    static constexpr int kVectors = kSums / R;  // of weights in a group
    static_assert(kGroups % 2 == 0);
    Columns<Neon, R, V>& columns;
    Products& even;  // groups 0, 2, ..
    Products& odd;   // groups 1, 3, ..
    const int8_t* w;

    /// The last products of the step before.
    [[gnu::always_inline]] inline void put_away() { put_away<kGroups - 1>(odd); }

    /// Eight inputs of each row, whose weights begin kAt bytes after w.
    template <int kAt>
    [[gnu::always_inline]] inline void add(const Eight& x0, const Eight& x1) {
      W first0, first1;
      load_first<0, kAt>(first0, first1);
      put_away();
      add_group<0, kAt>(x0, x1, first0, first1);
    }

   private:
    template <int G>
    [[gnu::always_inline]] inline void put_away(const Products& products) {
      if constexpr (kSums == 1) {
        auto& sums = column_at<G>(columns).acc;
        products.add_to(sums, sums);
      } else if constexpr (R == 2) {
        auto& column = column_at<G>(columns);
        products.add_to(column.acc, column.rest.acc);
      } else {
        products.add_to(column_at<2 * G>(columns).acc, column_at<2 * G + 1>(columns).acc);
      }
    }
    // In the order of vector 0's first and second weights, vector 1's first, .. or, where a group
    // has two vectors, of both their first, both their second.
    template <int G, int kAt>
    [[gnu::always_inline]] inline void load_first(W& first0, W& first1) {
      constexpr int kHere = kAt + G * kVectors * kVector;
      first0 = load<kHere, kHere + kQuad>(w);
      if constexpr (kVectors == 2) first1 = load<kHere + kVector, kHere + kQuad>(w);
    }
    template <int G, int kAt>
    [[gnu::always_inline]] inline void load_second(W& second0, W& second1) {
      constexpr int kHere = kAt + kQuad + G * kVectors * kVector;
      constexpr int kNext = G + 1 < kGroups ? kHere - kQuad + kVector : kAt + 2 * kQuad;
      second0 = load<kHere, kNext>(w);
      if constexpr (kVectors == 2) second1 = load<kHere + kVector, kNext>(w);
    }
    template <int G, int kAt>
    [[gnu::always_inline]] inline void add_group(const Eight& x0, const Eight& x1, W first0,
                                                 W first1) {
      Products& now = G % 2 == 0 ? even : odd;
      W second0, second1;
      load_second<G, kAt>(second0, second1);
      now.multiply(first0, x0.first, kVectors == 2 ? first1 : first0, x1.first);
      if constexpr (G > 0) put_away<G - 1>(G % 2 == 0 ? odd : even);
      if constexpr (G + 1 < kGroups) load_first<G + 1, kAt>(first0, first1);
      now.multiply_add(second0, x0.second, kVectors == 2 ? second1 : second0, x1.second);
      if constexpr (G + 1 < kGroups) {
        add_group<G + 1, kAt>(x0, x1, first0, first1);
      }
    }
  };

  template <int R, int V>
  [[gnu::always_inline]] static inline void add(Columns<Neon, R, V>& columns, TileGroup& group) {
    const int16x8_t none = vdupq_n_s16(0);
    Products even = {none, none, none, none}, odd = even;
    Step<R, V> step = {columns, even, odd, group.w};
    const uint8_t* x = group.x;
    const uint8_t* const end = x + group.width;
    constexpr int kSteps = R == 1 ? 2 : 1;  // two for two rows, and GCC 12 copies inputs about
    do {
      const Eight x0 = inputs_of(x);
      step.template add<0>(x0, R == 2 ? inputs_of(x + group.x_step) : x0);
      if constexpr (kSteps == 2) {
        const Eight next = inputs_of(x + 8);
        step.template add<2 * kQuad>(next, next);
      }
      x += kSteps * 8;
      advance<kSteps * 2 * kQuad>(step.w);
    } while (x != end);
    step.put_away();
    group.x = x;
    group.w = step.w;
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {vdupq_n_s32(0), vdupq_n_s32(0)};
  }
  template <int>
  [[gnu::always_inline]] static inline int32x4_t row_of(const Acc& acc) {
    return pair_sums(acc.low, acc.high);
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
