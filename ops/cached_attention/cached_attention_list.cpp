#include "ops/cached_attention/cached_attention.h"

namespace heed {

#if HEED_HAVE_AVX512VNNI
extern const CachedAttentionKernel kCachedAttentionAvx512vnni;
#endif
#if HEED_HAVE_AVX2
extern const CachedAttentionKernel kCachedAttentionAvx2;
#endif
#if HEED_HAVE_DOTPROD
extern const CachedAttentionKernel kCachedAttentionDotprod;
#endif
#if HEED_HAVE_NEON
extern const CachedAttentionKernel kCachedAttentionNeon;
#endif
extern const CachedAttentionKernel kCachedAttentionReference;

namespace {

const CachedAttentionKernel* const kKernels[] = {
#if HEED_HAVE_AVX512VNNI
    &kCachedAttentionAvx512vnni,
#endif
#if HEED_HAVE_AVX2
    &kCachedAttentionAvx2,
#endif
#if HEED_HAVE_DOTPROD
    &kCachedAttentionDotprod,
#endif
#if HEED_HAVE_NEON
    &kCachedAttentionNeon,
#endif
    &kCachedAttentionReference,
};

}  // namespace

CachedAttentionKernelList cached_attention_kernels() {
  return {kKernels, sizeof kKernels / sizeof *kKernels};
}

size_t cached_attention_scratch_bytes(int32_t keys) {
  const size_t padded = (static_cast<size_t>(keys) + 15) / 16 * 16;
  return padded * (sizeof(float) + 2);  // weights as floats, and as two times 7 bits
}

}  // namespace heed
