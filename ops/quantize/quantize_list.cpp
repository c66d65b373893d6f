#include "ops/quantize/quantize.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const QuantizeKernel kQuantizeAvx512;
#endif
#if HEED_HAVE_AVX2
extern const QuantizeKernel kQuantizeAvx2;
#endif
#if HEED_HAVE_NEON
extern const QuantizeKernel kQuantizeNeon;
#endif
extern const QuantizeKernel kQuantizeReference;

namespace {

const QuantizeKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kQuantizeAvx512,
#endif
#if HEED_HAVE_AVX2
    &kQuantizeAvx2,
#endif
#if HEED_HAVE_NEON
    &kQuantizeNeon,
#endif
    &kQuantizeReference,
};

}  // namespace

QuantizeKernelList quantize_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
