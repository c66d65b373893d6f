#include "ops/softmax/softmax.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const SoftmaxKernel kSoftmaxAvx512;
#endif
#if HEED_HAVE_AVX2
extern const SoftmaxKernel kSoftmaxAvx2;
#endif
#if HEED_HAVE_NEON
extern const SoftmaxKernel kSoftmaxNeon;
#endif
extern const SoftmaxKernel kSoftmaxReference;

namespace {

const SoftmaxKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kSoftmaxAvx512,
#endif
#if HEED_HAVE_AVX2
    &kSoftmaxAvx2,
#endif
#if HEED_HAVE_NEON
    &kSoftmaxNeon,
#endif
    &kSoftmaxReference,
};

}  // namespace

SoftmaxKernelList softmax_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
