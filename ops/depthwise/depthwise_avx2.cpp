#include "ops/simd/vec_avx2.h"

#include "ops/depthwise/depthwise_vec.h"

namespace heed {

extern const DepthwiseKernel kDepthwiseAvx2;
const DepthwiseKernel kDepthwiseAvx2 = {"avx2", Isa::avx2, depthwise};

}  // namespace heed
