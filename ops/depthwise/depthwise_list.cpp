#include "ops/depthwise/depthwise.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const DepthwiseKernel kDepthwiseAvx512;
#endif
#if HEED_HAVE_AVX2
extern const DepthwiseKernel kDepthwiseAvx2;
#endif
#if HEED_HAVE_NEON
extern const DepthwiseKernel kDepthwiseNeon;
#endif
extern const DepthwiseKernel kDepthwiseReference;

namespace {

const DepthwiseKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kDepthwiseAvx512,
#endif
#if HEED_HAVE_AVX2
    &kDepthwiseAvx2,
#endif
#if HEED_HAVE_NEON
    &kDepthwiseNeon,
#endif
    &kDepthwiseReference,
};

}  // namespace

DepthwiseKernelList depthwise_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
