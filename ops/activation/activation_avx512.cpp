#include "ops/simd/vec_avx512.h"

#include "ops/activation/activation_vec.h"

namespace heed {

extern const ActivationKernel kActivationAvx512;
const ActivationKernel kActivationAvx512 = {"avx512", Isa::avx2 | Isa::avx512, run_activation};

}  // namespace heed
