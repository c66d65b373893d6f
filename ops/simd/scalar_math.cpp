#include "ops/simd/scalar_math.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ops/simd/math_constants.h"

namespace heed::scalar {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint32_t bits(float x) { return std::bit_cast<uint32_t>(x); }
float from_bits(uint32_t x) { return std::bit_cast<float>(x); }
float relu(float x) { return max(x, 0.0f); }

template <size_t N>
float polynomial(float x, const float (&c)[N]) {
  float r = c[N - 1];
  for (size_t i = N - 1; i > 0; --i) r = std::fma(r, x, c[i - 1]);
  return r;
}

float scaled_exp2(float rounded, float f) {
  const float p = std::fma(polynomial(f, math::kExp2), f, 1.0f);
  return from_bits(bits(p) + (bits(rounded) << 23));
}

float exp2_small(float g) {
  const float rounded = g + math::kRound;
  return scaled_exp2(rounded, g - (rounded - math::kRound));
}

float lower_sigmoid(float e) {
  const float r = polynomial(e, math::kReciprocal);
  const float miss = std::fma(-(e + 1.0f), r, 1.0f);
  return e * std::fma(r, std::fma(miss, miss, miss), r);
}

}  // namespace

float exp(float x) {
  if (x > math::kExpMax) return kInfinity;
  if (x < math::kExpMin) return 0.0f;
  const float rounded = std::fma(x, math::kLog2eHi, math::kRound);
  float f = std::fma(x, math::kLog2eHi, -(rounded - math::kRound));
  f = std::fma(x, math::kLog2eLo, f);
  return scaled_exp2(rounded, f);
}

float log(float x) {
  if (x < 0.0f) return std::numeric_limits<float>::quiet_NaN();
  if (x == 0.0f) return -kInfinity;
  if (!(x < kInfinity)) return x;
  const bool tiny = x < 0x1p-126f;
  const int32_t shifted = static_cast<int32_t>(bits(tiny ? x * 0x1p23f : x)) - math::kSqrtHalfBits;
  const float e = static_cast<float>(shifted >> 23) - (tiny ? 23.0f : 0.0f);
  const float f =
      from_bits(static_cast<uint32_t>((shifted & 0x7fffff) + math::kSqrtHalfBits)) - 1.0f;
  const float z = f * f;
  float y = f * z * polynomial(f, math::kLog);
  y = std::fma(e, math::kLn2Lo, y);
  y = std::fma(z, -0.5f, y);
  return std::fma(e, math::kLn2Hi, f + y);
}

float sigmoid(float x) {
  const float t = min(math::kSigmoidMax, std::fabs(x));
  const float low = lower_sigmoid(exp2_small(t * math::kMinusLog2e));
  return x > 0.0f ? 1.0f - low : low;
}

float silu(float x) {
  const float t = min(math::kSigmoidMax, std::fabs(x));
  return std::fma(-t, lower_sigmoid(exp2_small(t * math::kMinusLog2e)), relu(x));
}

float gelu_sigmoid(float x) {
  const float t = min(math::kGeluSigmoidMax, std::fabs(x));
  return std::fma(-t, lower_sigmoid(exp2_small(t * math::kGeluSigmoidScale)), relu(x));
}

float gelu_tanh(float x) {
  const float t = min(math::kGeluTanhMax, std::fabs(x));
  const float k = std::fma(t * t, math::kGeluTanhCubic, math::kGeluTanhScale);
  return std::fma(-t, lower_sigmoid(exp2_small(t * k)), relu(x));
}

float gelu_erf(float x) {
  const float t = min(math::kGeluErfMax, std::fabs(x));
  const float root = polynomial(t, math::kGeluErf);
  const float square = root * root, fourth = square * square;
  return std::fma(-t, fourth * fourth, relu(x));
}

namespace {

float gelu_short(float x, const float (&coefficients)[6], float most) {
  const float t = min(most, std::fabs(x));
  const float root = polynomial(t, coefficients);
  return std::fma(-t, root * root, relu(x));
}

}  // namespace

float gelu_erf_short(float x) { return gelu_short(x, math::kGeluErfShort, math::kGeluErfShortMax); }

float gelu_tanh_short(float x) {
  return gelu_short(x, math::kGeluTanhShort, math::kGeluTanhShortMax);
}

float silu_short(float x) {
  const float t = min(math::kSiluShortMax, std::fabs(x));
  const float root = polynomial(t, math::kSiluShort);
  const float square = root * root, fourth = square * square, eighth = fourth * fourth;
  return std::fma(-t, eighth * eighth, relu(x));
}

float erf(float x) {
  const float t = min(math::kErfMax, std::fabs(x));
  const float y = t < math::kErfSplit ? t * polynomial(t * t, math::kErfSmall)
                                      : 1.0f - exp2_small(polynomial(t, math::kErfLarge));
  return std::copysign(y, x);
}

float tanh(float x) {
  const float t = min(math::kTanhMax, max(-math::kTanhMax, x));
  const float u = t * t;
  return t * polynomial(u, math::kTanhP) / polynomial(u, math::kTanhQ);
}

namespace {

template <class Combine>
float fold(const float* lanes, Combine combine) {
  float l[16];
  for (int i = 0; i < 16; ++i) l[i] = lanes[i];
  for (int apart = 8; apart > 0; apart /= 2) {
    for (int i = 0; i < apart; ++i) l[i] = combine(l[i], l[i + apart]);
  }
  return l[0];
}

}  // namespace

float lane_sum(const float* lanes) {
  return fold(lanes, [](float a, float b) { return a + b; });
}
float lane_prod(const float* lanes) {
  return fold(lanes, [](float a, float b) { return a * b; });
}
float lane_max(const float* lanes) { return fold(lanes, max); }
float lane_min(const float* lanes) { return fold(lanes, min); }

}  // namespace heed::scalar
