#include "ops/peak/peak.h"

namespace heed {

extern const PeakKernel peak_avx512vnni, peak_avxvnni, peak_avx2, peak_i8mm, peak_dotprod,
    peak_neon, peak_reference;

namespace {

constexpr const PeakKernel* kKernels[] = {
#if HEED_HAVE_AVX512VNNI
    &peak_avx512vnni,
#endif
#if HEED_HAVE_AVXVNNI
    &peak_avxvnni,
#endif
#if HEED_HAVE_AVX2
    &peak_avx2,
#endif
#if HEED_HAVE_I8MM
    &peak_i8mm,
#endif
#if HEED_HAVE_DOTPROD
    &peak_dotprod,
#endif
#if HEED_HAVE_NEON
    &peak_neon,
#endif
    &peak_reference,
};

}  // namespace

PeakKernelList peak_kernels() { return {kKernels, sizeof kKernels / sizeof *kKernels}; }

}  // namespace heed
