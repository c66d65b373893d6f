#include "ops/simd/vec_avx2.h"

#include "ops/activation/activation_vec.h"

namespace heed {

extern const ActivationKernel kActivationAvx2;
const ActivationKernel kActivationAvx2 = {"avx2", Isa::avx2, run_activation};

}  // namespace heed
