#include <cmath>
#include <limits>

#include "ops/simd/scalar_math.h"
#include "ops/softmax/softmax.h"

namespace heed {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The largest value, or 0 in a row of nothing but -infinity.
float finite_max(const float* x, int32_t n) {
  float lanes[16];
  for (float& lane : lanes) lane = -kInfinity;
  for (int32_t i = 0; i < n; ++i) lanes[i % 16] = scalar::max(lanes[i % 16], x[i]);
  const float largest = scalar::lane_max(lanes);
  return largest == -kInfinity ? 0.0f : largest;
}

float sum_of_exp(const float* x, int32_t n, float max) {
  float lanes[16] = {};
  for (int32_t i = 0; i < n; ++i) lanes[i % 16] += scalar::exp(x[i] - max);
  return scalar::lane_sum(lanes);
}

void softmax(const RowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    const float max = finite_max(x, args.n);
    const float sum = sum_of_exp(x, args.n, max);
    const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
    for (int32_t i = 0; i < args.n; ++i) {
      args.y[m * args.y_step + i] = scalar::exp(x[i] - max) * inverse;
    }
  }
}

void log_softmax(const RowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    const float max = finite_max(x, args.n);
    const float log_sum = scalar::log(sum_of_exp(x, args.n, max));
    for (int32_t i = 0; i < args.n; ++i) args.y[m * args.y_step + i] = (x[i] - max) - log_sum;
  }
}

}  // namespace

extern const SoftmaxKernel kSoftmaxReference;
const SoftmaxKernel kSoftmaxReference = {"reference", IsaSet(), softmax, log_softmax};

}  // namespace heed
