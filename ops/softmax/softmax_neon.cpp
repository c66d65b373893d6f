#include "ops/simd/vec_neon.h"

#include "ops/softmax/softmax_vec.h"

namespace heed {

extern const SoftmaxKernel kSoftmaxNeon;
const SoftmaxKernel kSoftmaxNeon = {"neon", Isa::neon, softmax, log_softmax};

}  // namespace heed
