#include "ops/elementwise/elementwise.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const ElementwiseKernel kElementwiseAvx512;
#endif
#if HEED_HAVE_AVX2
extern const ElementwiseKernel kElementwiseAvx2;
#endif
#if HEED_HAVE_NEON
extern const ElementwiseKernel kElementwiseNeon;
#endif
extern const ElementwiseKernel kElementwiseReference;

namespace {

const ElementwiseKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kElementwiseAvx512,
#endif
#if HEED_HAVE_AVX2
    &kElementwiseAvx2,
#endif
#if HEED_HAVE_NEON
    &kElementwiseNeon,
#endif
    &kElementwiseReference,
};

}  // namespace

ElementwiseKernelList elementwise_kernels() {
  return {kKernels, sizeof kKernels / sizeof *kKernels};
}

}  // namespace heed
