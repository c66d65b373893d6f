#include "ops/simd/vec_avx512.h"

#include "ops/norm/norm_vec.h"

namespace heed {

extern const NormKernel kNormAvx512;
const NormKernel kNormAvx512 = {"avx512", Isa::avx2 | Isa::avx512, layer_norm, rms_norm};

}  // namespace heed
