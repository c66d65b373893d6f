#include <cmath>

#include "ops/linear/linear.h"

namespace heed {

namespace {

// Where the four weights of output n for inputs k .. k+3 lie.
const int8_t* weights_of(const LinearArgs& args, int32_t n, int32_t k) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  const ptrdiff_t block = n / kLinearBlockN;
  const ptrdiff_t lane = n % kLinearBlockN;
  return args.w + block * k_padded * kLinearBlockN +
         (k / kLinearGroupK * kLinearBlockN + lane) * kLinearGroupK;
}

float output(const LinearArgs& args, int32_t m, int32_t n) {
  const int8_t* x = args.x + m * args.x_step;
  float t = args.bias[n];
  for (int32_t g = 0; g < args.groups; ++g) {
    const int32_t k_begin = g * args.group_width;
    int32_t sum = 0;
    for (int32_t k = k_begin; k < k_begin + args.group_width; k += kLinearGroupK) {
      const int8_t* w = weights_of(args, n, k);
      for (int32_t j = 0; j < kLinearGroupK; ++j) sum += x[k + j] * w[j];
    }
    const float scale = args.x_scale[m * args.x_scale_step + g] * args.w_scale[n];
    t = std::fma(static_cast<float>(sum), scale, t);
  }
  return t;
}

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void*) {
  for (int32_t m = 0; m < args.rows; ++m) {
    for (int32_t n = n_begin; n < n_end; ++n) args.y[m * args.y_step + n] = output(args, m, n);
  }
}

}  // namespace

extern const LinearKernel kLinearReference;
constinit const LinearKernel kLinearReference = {"reference", IsaSet(), run};

}  // namespace heed
