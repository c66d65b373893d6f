#include "ops/simd/vec_avx512.h"

#include "ops/softmax/softmax_vec.h"

namespace heed {

extern const SoftmaxKernel kSoftmaxAvx512;
const SoftmaxKernel kSoftmaxAvx512 = {"avx512", Isa::avx2 | Isa::avx512, softmax, log_softmax};

}  // namespace heed
