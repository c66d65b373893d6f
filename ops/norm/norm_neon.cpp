#include "ops/simd/vec_neon.h"

#include "ops/norm/norm_vec.h"

namespace heed {

extern const NormKernel kNormNeon;
const NormKernel kNormNeon = {"neon", Isa::neon, layer_norm, rms_norm};

}  // namespace heed
