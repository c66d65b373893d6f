#include "ops/reduce/reduce.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const ReduceKernel kReduceAvx512;
#endif
#if HEED_HAVE_AVX2
extern const ReduceKernel kReduceAvx2;
#endif
#if HEED_HAVE_NEON
extern const ReduceKernel kReduceNeon;
#endif
extern const ReduceKernel kReduceReference;

namespace {

const ReduceKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kReduceAvx512,
#endif
#if HEED_HAVE_AVX2
    &kReduceAvx2,
#endif
#if HEED_HAVE_NEON
    &kReduceNeon,
#endif
    &kReduceReference,
};

}  // namespace

ReduceKernelList reduce_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
