#include "ops/norm/norm.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const NormKernel kNormAvx512;
#endif
#if HEED_HAVE_AVX2
extern const NormKernel kNormAvx2;
#endif
#if HEED_HAVE_NEON
extern const NormKernel kNormNeon;
#endif
extern const NormKernel kNormReference;

namespace {

const NormKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kNormAvx512,
#endif
#if HEED_HAVE_AVX2
    &kNormAvx2,
#endif
#if HEED_HAVE_NEON
    &kNormNeon,
#endif
    &kNormReference,
};

}  // namespace

NormKernelList norm_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
