#include <cmath>

#include "ops/matmul/matmul.h"

namespace heed {

namespace {

float element(const MatmulArgs& args, int32_t m, int32_t n) {
  const float* a = args.a + m * args.a_step;
  const float* b = args.b + n / kMatmulBlockN * args.b_block_step + n % kMatmulBlockN;
  float t = 0.0f;
  for (int32_t k = 0; k < args.k; ++k) t = std::fma(a[k], b[k * args.b_k_step], t);
  return args.bias ? t + args.bias[n] : t;
}

void run(const MatmulArgs& args, int32_t n_begin, int32_t n_end) {
  for (int32_t m = 0; m < args.rows; ++m) {
    for (int32_t n = n_begin; n < n_end; ++n) args.c[m * args.c_step + n] = element(args, m, n);
  }
}

}  // namespace

extern const MatmulKernel kMatmulReference;
constinit const MatmulKernel kMatmulReference = {"reference", IsaSet(), run};

}  // namespace heed
