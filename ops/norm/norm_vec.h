#pragma once
// The norms over F32x16; include after vec_<isa>.h. Arguments travel by value: stores through float
// pointers could change what a reference shows, and the loops would load it again and again.

#include "ops/norm/norm.h"

namespace heed {
namespace {

/// out[r] = what is left of vector r, by `fold_one` or, of four at a time, by `fold_two`.
template <int kRows, class FoldOne, class FoldTwo>
inline void fold_rows(const F32x16* lanes, float* out, FoldOne fold_one, FoldTwo fold_two) {
  if constexpr (kRows == 4) {
    fold_four(lanes, out, fold_two);
  } else {
    for (int r = 0; r < kRows; ++r) out[r] = fold_one(lanes[r]);
  }
}

/// Rows as they are.
struct Plain {
  F32x16 add(F32x16 v, int, int32_t) const { return v; }
  F32x16 add_partial(F32x16 v, int, int32_t, int32_t) const { return v; }
};
/// Rows to which a residual is added; the sums are stored.
struct Residual {
  const float* residual;
  ptrdiff_t residual_step;
  float* sum;
  ptrdiff_t sum_step;

  F32x16 add(F32x16 v, int r, int32_t i) const {
    v = v + load(residual + r * residual_step + i);
    store(sum + r * sum_step + i, v);
    return v;
  }
  F32x16 add_partial(F32x16 v, int r, int32_t i, int32_t n) const {
    v = v + load_partial(residual + r * residual_step + i, n);
    store_partial(sum + r * sum_step + i, v, n);
    return v;
  }
};

/// totals[r] = what `accumulate` gathers over row r, in the 16-lane order.
template <int kRows, class Added, class F>
inline void sum_rows(const float* x, ptrdiff_t x_step, int32_t n, Added added, F accumulate,
                     float* totals) {
  F32x16 lanes[kRows];
  for (int r = 0; r < kRows; ++r) lanes[r] = set1(0.0f);
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int r = 0; r < kRows; ++r) {
      lanes[r] = accumulate(added.add(load(x + r * x_step + i), r, i), lanes[r], r);
    }
  }
  if (i < n) {
    const Mask16 present = first_lanes(n - i);
    for (int r = 0; r < kRows; ++r) {
      const F32x16 v = added.add_partial(load_partial(x + r * x_step + i, n - i), r, i, n - i);
      lanes[r] = select(present, accumulate(v, lanes[r], r), lanes[r]);
    }
  }
  fold_rows<kRows>(
      lanes, totals, [](F32x16 a) { return sum(a); }, [](F32x16 a, F32x16 b) { return a + b; });
}

/// y = (x - mean) * inverse * gamma + beta, sixteen columns of kRows rows.
template <int kRows, bool kLayer, bool kBeta>
inline void normalize_rows(NormArgs args, const float* x, ptrdiff_t x_step, int32_t m,
                           const float* mean, const float* inverse) {
  const RowsArgs rows = args.rows;
  float* y = rows.y + m * rows.y_step;
  F32x16 absmax[kRows], means[kRows], inverses[kRows];
  for (int r = 0; r < kRows; ++r) {
    absmax[r] = set1(0.0f);
    means[r] = set1(mean[r]);
    inverses[r] = set1(inverse[r]);
  }
  const auto apply = [&](F32x16 v, int r, F32x16 gamma, F32x16 beta) {
    if constexpr (kLayer) v = v - means[r];
    v = v * inverses[r];
    v = kBeta ? fma(v, gamma, beta) : v * gamma;
    absmax[r] = max_abs(absmax[r], v);
    return v;
  };
  int32_t i = 0;
  for (; i + 16 <= rows.n; i += 16) {
    const F32x16 gamma = load(args.gamma + i);
    const F32x16 beta = kBeta ? load(args.beta + i) : set1(0.0f);
    for (int r = 0; r < kRows; ++r) {
      store(y + r * rows.y_step + i, apply(load(x + r * x_step + i), r, gamma, beta));
    }
  }
  if (i < rows.n) {
    // Absent lanes have gamma = beta = 0, so they leave absmax alone.
    const int32_t left = rows.n - i;
    const F32x16 gamma = load_partial(args.gamma + i, left);
    const F32x16 beta = kBeta ? load_partial(args.beta + i, left) : set1(0.0f);
    for (int r = 0; r < kRows; ++r) {
      const F32x16 v = load_partial(x + r * x_step + i, left);
      store_partial(y + r * rows.y_step + i, apply(v, r, gamma, beta), left);
    }
  }
  if (rows.absmax != nullptr) {
    fold_rows<kRows>(
        absmax, rows.absmax + m, [](F32x16 a) { return max(a); },
        [](F32x16 a, F32x16 b) { return max(a, b); });
  }
}

template <int kRows>
struct RowCount {
  constexpr operator int() const { return kRows; }
};
/// body(RowCount, r) for rows r .. of `count`: four at a time where that many are folded at once,
/// else one by one, which the processor overlaps by itself.
template <class Body>
inline void by_fours(int32_t count, Body body) {
  int32_t r = 0;
  if constexpr (kRowBlock == 4) {
    for (; r + 4 <= count; r += 4) body(RowCount<4>(), r);
  }
  for (; r < count; ++r) body(RowCount<1>(), r);
}

/// A sum of one row is a chain of adds, and each pass over a row waits for the result of the one
/// before: pass by pass over sixteen narrow rows, nothing waits. So many wide ones would leave the
/// first cache in between.
template <bool kLayer>
inline void norm(NormArgs args) {
  constexpr int32_t kTogether = 16, kTogetherWide = 4, kNarrow = 256;
  const RowsArgs rows = args.rows;
  const int32_t together = rows.n <= kNarrow ? kTogether : kTogetherWide;
  const float inverse_n = 1.0f / static_cast<float>(rows.n);
  alignas(64) float mean[kTogether] = {}, inverse[kTogether];
  for (int32_t m = 0; m < rows.rows; m += together) {
    const int32_t count = rows.rows - m < together ? rows.rows - m : together;
    const float* x = rows.x + m * rows.x_step;
    ptrdiff_t x_step = rows.x_step;
    const auto pass = [&](auto added_to, auto accumulate_of, float* totals) {
      by_fours(count, [&](auto n, int32_t r) {
        sum_rows<n>(x + r * x_step, x_step, rows.n, added_to(r), accumulate_of(r), totals + r);
      });
    };
    const auto plain = [](int32_t) { return Plain{}; };
    const auto first_pass = [&](auto accumulate_of, float* totals) {
      if (args.residual == nullptr) return pass(plain, accumulate_of, totals);
      const auto residual = [&](int32_t r) {
        return Residual{args.residual + (m + r) * args.residual_step, args.residual_step,
                        args.sum + (m + r) * args.sum_step, args.sum_step};
      };
      pass(residual, accumulate_of, totals);
      x = args.sum + m * args.sum_step;
      x_step = args.sum_step;
    };
    const auto square = [&](int32_t r) {
      return [of = mean + r](F32x16 v, F32x16 lanes, int i) {
        const F32x16 d = kLayer ? v - set1(of[i]) : v;
        return fma(d, d, lanes);
      };
    };
    if constexpr (kLayer) {
      const auto add = [](int32_t) {
        return [](F32x16 v, F32x16 lanes, int) { return lanes + v; };
      };
      first_pass(add, mean);
      for (int32_t r = 0; r < count; ++r) mean[r] = mean[r] * inverse_n;
      pass(plain, square, inverse);
    } else {
      first_pass(square, inverse);
    }
    if (count == kTogether) {
      store(inverse, set1(1.0f) / sqrt(load(inverse) * set1(inverse_n) + set1(args.epsilon)));
    } else {
      for (int32_t r = 0; r < count; ++r)
        inverse[r] = 1.0f / sqrt(inverse[r] * inverse_n + args.epsilon);
    }
    by_fours(count, [&](auto n, int32_t r) {
      const float* row = x + r * x_step;
      if (args.beta != nullptr) {
        normalize_rows<n, kLayer, true>(args, row, x_step, m + r, mean + r, inverse + r);
      } else {
        normalize_rows<n, kLayer, false>(args, row, x_step, m + r, mean + r, inverse + r);
      }
    });
  }
}

void layer_norm(const NormArgs& args) { norm<true>(args); }
void rms_norm(const NormArgs& args) { norm<false>(args); }

}  // namespace
}  // namespace heed
