#pragma once
// The normative float functions, one value at a time: what vec_math.h computes in sixteen lanes,
// and (second part) what has one implementation on every ISA. Not libm: its bits differ from
// machine to machine. Error bounds: ops/README.md.

namespace heed::scalar {

float exp(float x);
float log(float x);
float erf(float x);
float tanh(float x);
float sigmoid(float x);
float silu(float x);
float gelu_erf(float x);
float gelu_erf_short(float x);
float gelu_tanh_short(float x);
float silu_short(float x);
float gelu_tanh(float x);
float gelu_sigmoid(float x);

/// a > b ? a : b; a < b ? a : b. Decides zeros of different sign as the vector forms do.
static constexpr float max(float a, float b) { return a > b ? a : b; }
static constexpr float min(float a, float b) { return a < b ? a : b; }

/// Sum, product, max, min of 16 lanes, folded 8, 4, 2, 1 apart.
float lane_sum(const float* lanes);
float lane_prod(const float* lanes);
float lane_max(const float* lanes);
float lane_min(const float* lanes);

// One implementation, called by every variant. Within 1 ulp of the exact value.
// pow(x, 2) is x * x, pow(x, 3) x * x * x, pow(x, 1) x.
float sin(float x);
float cos(float x);
/// As C pow, computed in double.
float pow(float x, float y);

}  // namespace heed::scalar
