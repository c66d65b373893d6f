#include "ops/simd/vec_avx512.h"

#include "ops/depthwise/depthwise_vec.h"

namespace heed {

extern const DepthwiseKernel kDepthwiseAvx512;
const DepthwiseKernel kDepthwiseAvx512 = {"avx512", Isa::avx2 | Isa::avx512, depthwise};

}  // namespace heed
