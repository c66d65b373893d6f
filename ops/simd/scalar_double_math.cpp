// sin, cos and pow of floats, computed in double and rounded once: plain IEEE operations and no
// libm, so every machine gets the same bits.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ops/simd/scalar_math.h"

namespace heed::scalar {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Nearest even integer for |x| < 2^51.
double round_even(double x) {
  constexpr double kRound = 0x1.8p52;
  return (x + kRound) - kRound;
}

/// Highest power first; 1 + x (c0 + x (c1 + ..)).
template <size_t N>
double series(double x, const double (&c)[N]) {
  double r = c[N - 1];
  for (size_t i = N - 1; i > 0; --i) r = r * x + c[i - 1];
  return 1.0 + r * x;
}

// --- sin and cos ---

/// x = quadrant * pi/2 + rest, |rest| <= pi/4; the quadrant counts modulo 4.
struct Reduced {
  double rest;
  unsigned quadrant;
};

/// For |x| < 2^28: pi/2 in two parts, the first of 25 bits so that its product with n is exact.
Reduced reduce_small(float x) {
  constexpr double kHi = 0x1.921fb5p+0, kLo = 0x1.110b4611a6263p-26;
  const double n = round_even(x * 0x1.45f306dc9c883p-1);
  return {(x - n * kHi) - n * kLo, static_cast<unsigned>(static_cast<int64_t>(n)) & 3u};
}

/// For finite |x| >= 2^28: x = m 2^e is multiplied by the bits of 2/pi that matter. Those of weight
/// 4 and more, after the shift by e, only add whole turns.
Reduced reduce_large(float x) {
  static constexpr uint32_t kTwoOverPi[] = {0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                            0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561};
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint64_t m = (bits & 0x7fffff) | 0x800000;
  const uint32_t e = ((bits >> 23) & 0xff) - 150;  // 5 .. 104
  const uint32_t first = (e - 2) / 32, shift = (e - 2) % 32;
  const auto word = [&](uint32_t i) {
    const uint64_t two = (uint64_t{kTwoOverPi[first + i]} << 32) | kTwoOverPi[first + i + 1];
    return (two >> (32 - shift)) & 0xffffffff;
  };
  // Turns / 4 in 2 + 62 bits.
  const uint64_t product = m * ((word(0) << 32) | word(1)) + ((m * word(2)) >> 32);
  const uint64_t quadrant = (product + (uint64_t{1} << 61)) >> 62;
  const auto rest = static_cast<int64_t>(product - (quadrant << 62));
  const double positive = static_cast<double>(rest) * 0x1.921fb54442d18p-62;
  if (x < 0.0f) return {-positive, (0u - static_cast<unsigned>(quadrant)) & 3u};
  return {positive, static_cast<unsigned>(quadrant) & 3u};
}

Reduced reduce(float x) { return std::fabs(x) < 0x1p28f ? reduce_small(x) : reduce_large(x); }

double sin_series(double r) {
  static constexpr double kTerms[] = {-1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880,
                                      -1.0 / 39916800};
  return r * series(r * r, kTerms);
}
double cos_series(double r) {
  static constexpr double kTerms[] = {-1.0 / 2,    1.0 / 24,       -1.0 / 720,
                                      1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600};
  return series(r * r, kTerms);
}

/// sin(rest + quadrant * pi/2)
float sin_of(Reduced x) {
  const double value = x.quadrant % 2 == 0 ? sin_series(x.rest) : cos_series(x.rest);
  return static_cast<float>(x.quadrant < 2 ? value : -value);
}

// --- pow ---

/// x >= 0.
double log2_of(float x) {
  if (x == 0.0f) return -kInfinity;
  if (!(x < std::numeric_limits<float>::infinity())) return static_cast<double>(x);
  // Every float is a normal double; the mantissa is taken from [sqrt(1/2), sqrt 2).
  constexpr int64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const int64_t shifted = std::bit_cast<int64_t>(static_cast<double>(x)) - kSqrtHalf;
  const auto e = static_cast<double>(shifted >> 52);
  const double m = std::bit_cast<double>((shifted & 0xfffffffffffff) + kSqrtHalf);
  // log m = 2 atanh((m - 1) / (m + 1))
  static constexpr double kTerms[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,
                                      1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};
  const double s = (m - 1.0) / (m + 1.0);
  return e + 0x1.71547652b82fep+1 * (s * series(s * s, kTerms));
}

double exp2_of(double t) {
  if (t > 200.0) return kInfinity;
  if (t < -200.0) return 0.0;
  static constexpr double kTerms[] = {1.0,          1.0 / 2,       1.0 / 6,        1.0 / 24,
                                      1.0 / 120,    1.0 / 720,     1.0 / 5040,     1.0 / 40320,
                                      1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600};
  const double n = round_even(t);
  const double p = series((t - n) * 0x1.62e42fefa39efp-1, kTerms);
  return std::bit_cast<double>(std::bit_cast<int64_t>(p) + static_cast<int64_t>(n) * (1ll << 52));
}

bool is_integer(float y) { return std::fabs(y) >= 0x1p23f || std::nearbyint(y) == y; }
bool is_odd(float y) {
  return std::fabs(y) < 0x1p24f && is_integer(y) && static_cast<int32_t>(y) % 2 != 0;
}

}  // namespace

float sin(float x) {
  if (!(std::fabs(x) < std::numeric_limits<float>::infinity())) return kNan;
  if (x == 0.0f) return x;
  return sin_of(reduce(x));
}

float cos(float x) {
  if (!(std::fabs(x) < std::numeric_limits<float>::infinity())) return kNan;
  Reduced r = reduce(x);
  r.quadrant = (r.quadrant + 1) & 3u;
  return sin_of(r);
}

float pow(float x, float y) {
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return x + y;
  if (y == 1.0f) return x;
  if (y == 2.0f) return x * x;
  if (y == 3.0f) return x * x * x;
  const bool finite = std::fabs(x) < std::numeric_limits<float>::infinity() &&
                      std::fabs(y) < std::numeric_limits<float>::infinity();
  if (x < 0.0f && finite && !is_integer(y)) return kNan;
  const double log2_x = log2_of(std::fabs(x));
  // 0 * infinity: the base is -1, the exponent infinite.
  const auto size = static_cast<float>(exp2_of(log2_x == 0.0 ? 0.0 : y * log2_x));
  return std::signbit(x) && is_odd(y) ? -size : size;
}

}  // namespace heed::scalar
