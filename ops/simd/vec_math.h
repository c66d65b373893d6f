#pragma once
// exp, log, erf, tanh and the activations over F32x16; include after vec_<isa>.h. Same steps, same
// order as scalar_math.cpp, which is normative. Operands of min and max are ordered so that a NaN
// passes through.

#include <math.h>
#include <stddef.h>

#include "ops/simd/math_constants.h"

namespace heed {
namespace {

template <size_t N>
inline F32x16 polynomial(F32x16 x, const float (&c)[N]) {
  F32x16 r = set1(c[N - 1]);
  for (size_t i = N - 1; i > 0; --i) r = fma(r, x, set1(c[i - 1]));
  return r;
}

/// 2^n (1 + f (c0 + ..)) with n in the low bits of `rounded` (math::kRound).
inline F32x16 scaled_exp2(F32x16 rounded, F32x16 f) {
  const F32x16 p = fma(polynomial(f, math::kExp2), f, set1(1.0f));
  return from_bits(bits(p) + shift_left<23>(bits(rounded)));
}

/// 2^g, |g| <= 125.
inline F32x16 exp2_small(F32x16 g) {
  const F32x16 rounded = g + set1(math::kRound);
  return scaled_exp2(rounded, g - (rounded - set1(math::kRound)));
}

/// e^x for x up to kExpMax.
inline F32x16 exp_below_max(F32x16 x) {
  const F32x16 rounded = fma(x, set1(math::kLog2eHi), set1(math::kRound));
  const F32x16 n = rounded - set1(math::kRound);
  F32x16 f = fma(x, set1(math::kLog2eHi), neg(n));
  f = fma(x, set1(math::kLog2eLo), f);
  return select(less(x, set1(math::kExpMin)), set1(0.0f), scaled_exp2(rounded, f));
}

inline F32x16 exp(F32x16 x) {
  return select(less(set1(math::kExpMax), x), set1(HUGE_VALF), exp_below_max(x));
}

inline F32x16 log(F32x16 x) {
  const Mask16 tiny = less(x, set1(0x1p-126f));
  const F32x16 normal = select(tiny, x * set1(0x1p23f), x);
  const I32x16 shifted = bits(normal) - set1_i32(math::kSqrtHalfBits);
  const I32x16 mantissa = (shifted & set1_i32(0x7fffff)) + set1_i32(math::kSqrtHalfBits);
  const F32x16 e = to_float(shift_right<23>(shifted)) - select(tiny, set1(23.0f), set1(0.0f));
  const F32x16 f = from_bits(mantissa) - set1(1.0f);
  const F32x16 z = f * f;
  F32x16 y = f * z * polynomial(f, math::kLog);
  y = fma(e, set1(math::kLn2Lo), y);
  y = fma(z, set1(-0.5f), y);
  y = fma(e, set1(math::kLn2Hi), f + y);
  y = select(less(x, set1(HUGE_VALF)), y, x);
  y = select(equal(x, set1(0.0f)), set1(-HUGE_VALF), y);
  return select(less(x, set1(0.0f)), set1(NAN), y);
}

/// e / (1 + e), 0 <= e <= 1: the smaller side of a sigmoid.
inline F32x16 lower_sigmoid(F32x16 e) {
  const F32x16 r = polynomial(e, math::kReciprocal);
  const F32x16 miss = fnma(e + set1(1.0f), r, set1(1.0f));
  return e * fma(r, fma(miss, miss, miss), r);
}

inline F32x16 sigmoid(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kSigmoidMax), x);
  const F32x16 low = lower_sigmoid(exp2_small(t * set1(math::kMinusLog2e)));
  return select(less(set1(0.0f), x), set1(1.0f) - low, low);
}

// x s(x) with s(-x) = 1 - s(x) is max(x, 0) - |x| s(-|x|): the second term is a small bump.
inline F32x16 silu(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kSigmoidMax), x);
  const F32x16 low = lower_sigmoid(exp2_small(t * set1(math::kMinusLog2e)));
  return fnma(t, low, relu(x));
}
inline F32x16 gelu_sigmoid(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kGeluSigmoidMax), x);
  const F32x16 low = lower_sigmoid(exp2_small(t * set1(math::kGeluSigmoidScale)));
  return fnma(t, low, relu(x));
}
inline F32x16 gelu_tanh(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kGeluTanhMax), x);
  const F32x16 k = fma(t * t, set1(math::kGeluTanhCubic), set1(math::kGeluTanhScale));
  return fnma(t, lower_sigmoid(exp2_small(t * k)), relu(x));
}
inline F32x16 gelu_erf(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kGeluErfMax), x);
  const F32x16 root = polynomial(t, math::kGeluErf);
  const F32x16 square = root * root, fourth = square * square;
  return fnma(t, fourth * fourth, relu(x));
}
inline F32x16 gelu_short(F32x16 x, const float (&coefficients)[6], float most) {
  const F32x16 t = min_abs(set1(most), x);
  const F32x16 root = polynomial(t, coefficients);
  return fnma(t, root * root, relu(x));
}
inline F32x16 gelu_erf_short(F32x16 x) {
  return gelu_short(x, math::kGeluErfShort, math::kGeluErfShortMax);
}
inline F32x16 gelu_tanh_short(F32x16 x) {
  return gelu_short(x, math::kGeluTanhShort, math::kGeluTanhShortMax);
}
inline F32x16 silu_short(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kSiluShortMax), x);
  const F32x16 root = polynomial(t, math::kSiluShort);
  const F32x16 square = root * root, fourth = square * square, eighth = fourth * fourth;
  return fnma(t, eighth * eighth, relu(x));
}

inline F32x16 erf(F32x16 x) {
  const F32x16 t = min_abs(set1(math::kErfMax), x);
  const F32x16 near = t * polynomial(t * t, math::kErfSmall);
  const F32x16 far = set1(1.0f) - exp2_small(polynomial(t, math::kErfLarge));
  const F32x16 y = select(less(t, set1(math::kErfSplit)), near, far);
  return from_bits(bits(y) | (bits(x) & set1_i32(INT32_MIN)));
}

inline F32x16 tanh(F32x16 x) {
  const F32x16 t = min(set1(math::kTanhMax), max(set1(-math::kTanhMax), x));
  const F32x16 u = t * t;
  return t * polynomial(u, math::kTanhP) / polynomial(u, math::kTanhQ);
}

}  // namespace
}  // namespace heed
