#include "ops/simd/vec_neon.h"

#include "ops/depthwise/depthwise_vec.h"

namespace heed {

extern const DepthwiseKernel kDepthwiseNeon;
const DepthwiseKernel kDepthwiseNeon = {"neon", Isa::neon, depthwise};

}  // namespace heed
