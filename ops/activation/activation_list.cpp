#include "ops/activation/activation.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const ActivationKernel kActivationAvx512;
#endif
#if HEED_HAVE_AVX2
extern const ActivationKernel kActivationAvx2;
#endif
#if HEED_HAVE_NEON
extern const ActivationKernel kActivationNeon;
#endif
extern const ActivationKernel kActivationReference;

namespace {

const ActivationKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kActivationAvx512,
#endif
#if HEED_HAVE_AVX2
    &kActivationAvx2,
#endif
#if HEED_HAVE_NEON
    &kActivationNeon,
#endif
    &kActivationReference,
};

}  // namespace

ActivationKernelList activation_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
