#include "ops/simd/vec_neon.h"

#include "ops/activation/activation_vec.h"

namespace heed {

extern const ActivationKernel kActivationNeon;
const ActivationKernel kActivationNeon = {"neon", Isa::neon, run_activation};

}  // namespace heed
