#include <cmath>

#include "ops/norm/norm.h"
#include "ops/simd/scalar_math.h"

namespace heed {
namespace {

float sum(const float* x, int32_t n) {
  float lanes[16] = {};
  for (int32_t i = 0; i < n; ++i) lanes[i % 16] += x[i];
  return scalar::lane_sum(lanes);
}

float sum_of_squares(const float* x, int32_t n, float mean) {
  float lanes[16] = {};
  for (int32_t i = 0; i < n; ++i) {
    const float d = x[i] - mean;
    lanes[i % 16] = std::fma(d, d, lanes[i % 16]);
  }
  return scalar::lane_sum(lanes);
}

void normalize(const NormArgs& args, int32_t m, float mean, float inverse) {
  const float* x = args.rows.x + m * args.rows.x_step;
  float* y = args.rows.y + m * args.rows.y_step;
  float absmax = 0.0f;
  for (int32_t i = 0; i < args.rows.n; ++i) {
    const float scaled = (x[i] - mean) * inverse;
    y[i] = args.beta == nullptr ? scaled * args.gamma[i]
                                : std::fma(scaled, args.gamma[i], args.beta[i]);
    absmax = scalar::max(absmax, std::fabs(y[i]));
  }
  if (args.rows.absmax != nullptr) args.rows.absmax[m] = absmax;
}

/// The same over x + residual, which lie at `sum` from here on.
NormArgs add_residual(const NormArgs& args) {
  if (args.residual == nullptr) return args;
  NormArgs over = args;
  over.rows.x = args.sum;
  over.rows.x_step = args.sum_step;
  for (int32_t m = 0; m < args.rows.rows; ++m) {
    const float* x = args.rows.x + m * args.rows.x_step;
    const float* residual = args.residual + m * args.residual_step;
    float* sum = args.sum + m * args.sum_step;
    for (int32_t i = 0; i < args.rows.n; ++i) sum[i] = x[i] + residual[i];
  }
  return over;
}

void layer_norm(const NormArgs& given) {
  const NormArgs args = add_residual(given);
  const float inverse_n = 1.0f / static_cast<float>(args.rows.n);
  for (int32_t m = 0; m < args.rows.rows; ++m) {
    const float* x = args.rows.x + m * args.rows.x_step;
    const float mean = sum(x, args.rows.n) * inverse_n;
    const float variance = sum_of_squares(x, args.rows.n, mean) * inverse_n;
    normalize(args, m, mean, 1.0f / std::sqrt(variance + args.epsilon));
  }
}

void rms_norm(const NormArgs& given) {
  const NormArgs args = add_residual(given);
  const float inverse_n = 1.0f / static_cast<float>(args.rows.n);
  for (int32_t m = 0; m < args.rows.rows; ++m) {
    const float* x = args.rows.x + m * args.rows.x_step;
    const float mean_square = sum_of_squares(x, args.rows.n, 0.0f) * inverse_n;
    normalize(args, m, 0.0f, 1.0f / std::sqrt(mean_square + args.epsilon));
  }
}

}  // namespace

extern const NormKernel kNormReference;
const NormKernel kNormReference = {"reference", IsaSet(), layer_norm, rms_norm};

}  // namespace heed
