#include <cmath>
#include <limits>

#include "ops/reduce/reduce.h"
#include "ops/simd/scalar_math.h"

namespace heed {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float first_value(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::max:
      return -kInfinity;
    case ReduceKind::min:
      return kInfinity;
    case ReduceKind::prod:
      return 1.0f;
    default:
      return 0.0f;
  }
}

float take(float so_far, float x, ReduceKind kind) {
  switch (kind) {
    case ReduceKind::max:
      return scalar::max(so_far, x);
    case ReduceKind::min:
      return scalar::min(so_far, x);
    case ReduceKind::prod:
      return so_far * x;
    case ReduceKind::l1:
      return so_far + std::fabs(x);
    case ReduceKind::l2:
    case ReduceKind::sum_square:
      return std::fma(x, x, so_far);
    default:
      return so_far + x;
  }
}

/// Over n values `step` apart: in 16 lanes where step is 1, else one after the other.
float reduce(const float* x, int64_t n, int64_t step, ReduceKind kind) {
  float lanes[16];
  for (float& lane : lanes) lane = first_value(kind);
  for (int64_t i = 0; i < n; ++i) {
    float& lane = lanes[step == 1 ? i % 16 : 0];
    lane = take(lane, x[i * step], kind);
  }
  if (step != 1) return lanes[0];
  switch (kind) {
    case ReduceKind::max:
      return scalar::lane_max(lanes);
    case ReduceKind::min:
      return scalar::lane_min(lanes);
    case ReduceKind::prod:
      return scalar::lane_prod(lanes);
    default:
      return scalar::lane_sum(lanes);
  }
}

float log_sum_exp(const float* x, int64_t n, int64_t step) {
  const float largest = reduce(x, n, step, ReduceKind::max);
  const float shift = std::fabs(largest) < kInfinity ? largest : 0.0f;
  float lanes[16] = {};
  for (int64_t i = 0; i < n; ++i) {
    lanes[step == 1 ? i % 16 : 0] += scalar::exp(x[i * step] - shift);
  }
  return shift + scalar::log(step == 1 ? scalar::lane_sum(lanes) : lanes[0]);
}

float finished(const float* x, int64_t n, int64_t step, ReduceKind kind) {
  switch (kind) {
    case ReduceKind::log_sum_exp:
      return log_sum_exp(x, n, step);
    case ReduceKind::mean:
      return reduce(x, n, step, kind) / static_cast<float>(n);
    case ReduceKind::l2:
      return std::sqrt(reduce(x, n, step, kind));
    case ReduceKind::log_sum:
      return scalar::log(reduce(x, n, step, kind));
    default:
      return reduce(x, n, step, kind);
  }
}

int64_t extreme_index(const float* x, int64_t n, int64_t step, ReduceKind kind) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; ++i) {
    const float value = x[i * step], so_far = x[best * step];
    if (kind == ReduceKind::arg_max ? value > so_far : value < so_far) best = i;
  }
  return best;
}

void run_reduce(const ReduceArgs& args, ReduceKind kind) {
  for (int64_t o = 0; o < args.outer; ++o) {
    for (int64_t c = 0; c < args.inner; ++c) {
      const float* x = args.x + o * args.n * args.inner + c;
      const int64_t at = o * args.inner + c;
      if (is_arg(kind)) {
        args.index[at] = extreme_index(x, args.n, args.inner, kind);
      } else {
        args.y[at] = finished(x, args.n, args.inner, kind);
      }
    }
  }
}

void dot_rows(const DotRowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    float lanes[16] = {};
    for (int32_t i = 0; i < args.n; ++i) {
      lanes[i % 16] = std::fma(args.x[m * args.x_step + i], args.a[i], lanes[i % 16]);
    }
    args.y[m] = scalar::lane_sum(lanes);
  }
}

}  // namespace

extern const ReduceKernel kReduceReference;
const ReduceKernel kReduceReference = {"reference", IsaSet(), run_reduce, dot_rows};

}  // namespace heed
