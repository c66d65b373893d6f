#pragma once
// The activation loop over F32x16; include after vec_<isa>.h.

#include "ops/activation/activation.h"
#include "ops/simd/map_rows.h"
#include "ops/simd/vec_math.h"

namespace heed {
namespace {

void run_activation(const RowsArgs& args, ActivationKind kind) {
  switch (kind) {
    case ActivationKind::none:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return v; });
    case ActivationKind::relu:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return relu(v); });
    case ActivationKind::gelu_erf:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return gelu_erf(v); });
    case ActivationKind::gelu_tanh_short:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return gelu_tanh_short(v); });
    case ActivationKind::silu_short:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return silu_short(v); });
    case ActivationKind::gelu_erf_short:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return gelu_erf_short(v); });
    case ActivationKind::gelu_tanh:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return gelu_tanh(v); });
    case ActivationKind::silu:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return silu(v); });
    case ActivationKind::sigmoid:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return sigmoid(v); });
    case ActivationKind::tanh:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return tanh(v); });
    case ActivationKind::gelu_sigmoid:
      return map_rows(args, [](F32x16 v, int32_t, int32_t) { return gelu_sigmoid(v); });
  }
}

}  // namespace
}  // namespace heed
