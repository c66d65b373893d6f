#include <cmath>

#include "ops/activation/activation.h"
#include "ops/simd/scalar_math.h"

namespace heed {
namespace {

float activate(float x, ActivationKind kind) {
  switch (kind) {
    case ActivationKind::none:
      return x;
    case ActivationKind::relu:
      return scalar::max(x, 0.0f);
    case ActivationKind::gelu_erf:
      return scalar::gelu_erf(x);
    case ActivationKind::gelu_tanh_short:
      return scalar::gelu_tanh_short(x);
    case ActivationKind::silu_short:
      return scalar::silu_short(x);
    case ActivationKind::gelu_erf_short:
      return scalar::gelu_erf_short(x);
    case ActivationKind::gelu_tanh:
      return scalar::gelu_tanh(x);
    case ActivationKind::silu:
      return scalar::silu(x);
    case ActivationKind::sigmoid:
      return scalar::sigmoid(x);
    case ActivationKind::tanh:
      return scalar::tanh(x);
    case ActivationKind::gelu_sigmoid:
      return scalar::gelu_sigmoid(x);
  }
  return x;
}

void run(const RowsArgs& args, ActivationKind kind) {
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    float* y = args.y + m * args.y_step;
    float absmax = 0.0f;
    for (int32_t i = 0; i < args.n; ++i) {
      y[i] = activate(x[i], kind);
      absmax = scalar::max(absmax, std::fabs(y[i]));
    }
    if (args.absmax != nullptr) args.absmax[m] = absmax;
  }
}

}  // namespace

extern const ActivationKernel kActivationReference;
const ActivationKernel kActivationReference = {"reference", IsaSet(), run};

}  // namespace heed
