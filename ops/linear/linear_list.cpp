#include "ops/linear/linear.h"

namespace heed {

#if HEED_HAVE_AVX512VNNI
extern const LinearKernel kLinearAvx512vnni;
#endif
#if HEED_HAVE_AVXVNNI
extern const LinearKernel kLinearAvxvnni;
#endif
#if HEED_HAVE_AVX2
extern const LinearKernel kLinearAvx2;
#endif
#if HEED_HAVE_I8MM
extern const LinearKernel kLinearI8mm;
#endif
#if HEED_HAVE_DOTPROD
extern const LinearKernel kLinearDotprod;
#endif
#if HEED_HAVE_NEON
extern const LinearKernel kLinearNeon;
#endif
extern const LinearKernel kLinearReference;

namespace {

const LinearKernel* const kKernels[] = {
#if HEED_HAVE_AVX512VNNI
    &kLinearAvx512vnni,
#endif
#if HEED_HAVE_AVXVNNI
    &kLinearAvxvnni,
#endif
#if HEED_HAVE_AVX2
    &kLinearAvx2,
#endif
#if HEED_HAVE_I8MM
    &kLinearI8mm,
#endif
#if HEED_HAVE_DOTPROD
    &kLinearDotprod,
#endif
#if HEED_HAVE_NEON
    &kLinearNeon,
#endif
    &kLinearReference,
};

}  // namespace

LinearKernelList linear_kernels() { return {kKernels, sizeof(kKernels) / sizeof(kKernels[0])}; }

}  // namespace heed
