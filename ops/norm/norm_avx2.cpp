#include "ops/simd/vec_avx2.h"

#include "ops/norm/norm_vec.h"

namespace heed {

extern const NormKernel kNormAvx2;
const NormKernel kNormAvx2 = {"avx2", Isa::avx2, layer_norm, rms_norm};

}  // namespace heed
