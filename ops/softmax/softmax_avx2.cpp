#include "ops/simd/vec_avx2.h"

#include "ops/softmax/softmax_vec.h"

namespace heed {

extern const SoftmaxKernel kSoftmaxAvx2;
const SoftmaxKernel kSoftmaxAvx2 = {"avx2", Isa::avx2, softmax, log_softmax};

}  // namespace heed
