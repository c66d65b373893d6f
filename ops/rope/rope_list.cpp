#include "ops/rope/rope.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const RopeKernel kRopeAvx512;
#endif
#if HEED_HAVE_AVX2
extern const RopeKernel kRopeAvx2;
#endif
#if HEED_HAVE_NEON
extern const RopeKernel kRopeNeon;
#endif
extern const RopeKernel kRopeReference;

namespace {

const RopeKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kRopeAvx512,
#endif
#if HEED_HAVE_AVX2
    &kRopeAvx2,
#endif
#if HEED_HAVE_NEON
    &kRopeNeon,
#endif
    &kRopeReference,
};

}  // namespace

RopeKernelList rope_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
