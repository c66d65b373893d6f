#include "ops/matmul/matmul.h"

namespace heed {

#if HEED_HAVE_AVX512
extern const MatmulKernel kMatmulAvx512;
#endif
#if HEED_HAVE_AVX2
extern const MatmulKernel kMatmulAvx2;
#endif
#if HEED_HAVE_NEON
extern const MatmulKernel kMatmulNeon;
#endif
extern const MatmulKernel kMatmulReference;

namespace {

const MatmulKernel* const kKernels[] = {
#if HEED_HAVE_AVX512
    &kMatmulAvx512,
#endif
#if HEED_HAVE_AVX2
    &kMatmulAvx2,
#endif
#if HEED_HAVE_NEON
    &kMatmulNeon,
#endif
    &kMatmulReference,
};

}  // namespace

MatmulKernelList matmul_kernels() { return {kKernels, sizeof(kKernels) / sizeof(kKernels[0])}; }

}  // namespace heed
