#include "ops/attention/attention.h"
#include "ops/attention/attention_layout.h"

namespace heed {

#if HEED_HAVE_AVX512VNNI
extern const AttentionKernel kAttentionAvx512Vnni;
#endif
#if HEED_HAVE_AVXVNNI
extern const AttentionKernel kAttentionAvxVnni;
#endif
#if HEED_HAVE_AVX2
extern const AttentionKernel kAttentionAvx2;
#endif
#if HEED_HAVE_I8MM
extern const AttentionKernel kAttentionI8mm;
#endif
#if HEED_HAVE_DOTPROD
extern const AttentionKernel kAttentionDotprod;
#endif
#if HEED_HAVE_NEON
extern const AttentionKernel kAttentionNeon;
#endif
extern const AttentionKernel kAttentionReference;

namespace {
constexpr const AttentionKernel* kKernels[] = {
#if HEED_HAVE_AVX512VNNI
    &kAttentionAvx512Vnni,
#endif
#if HEED_HAVE_AVXVNNI
    &kAttentionAvxVnni,
#endif
#if HEED_HAVE_AVX2
    &kAttentionAvx2,
#endif
#if HEED_HAVE_I8MM
    &kAttentionI8mm,
#endif
#if HEED_HAVE_DOTPROD
    &kAttentionDotprod,
#endif
#if HEED_HAVE_NEON
    &kAttentionNeon,
#endif
    &kAttentionReference,
};
}  // namespace

AttentionKernelList attention_kernels() {
  return {kKernels, sizeof(kKernels) / sizeof(kKernels[0])};
}

size_t attention_keys_bytes(int32_t keys, int32_t width) { return KeysLayout(keys, width).bytes; }
size_t attention_values_bytes(int32_t keys, int32_t width) {
  return ValuesLayout(keys, width).bytes;
}
size_t attention_scratch_bytes(int32_t keys, int32_t head_width) {
  return ScratchLayout(keys, head_width).bytes;
}

}  // namespace heed
