// More sums than the machine has registers: inner_loops.py must find that this loop keeps them in
// memory, or it would find nothing elsewhere.

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

namespace heed::tidy {

constexpr int kSums = 40;

#if defined(__x86_64__)
using Sum = __m256i;
static Sum zero() { return _mm256_setzero_si256(); }
static Sum dot(Sum sum, const int8_t* x, const int8_t* w) {
  const __m256i product = _mm256_madd_epi16(_mm256_set1_epi16(*x), _mm256_set1_epi16(*w));
  return _mm256_add_epi32(sum, product);
}
static void store(int32_t* out, Sum sum) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sum);
}
#else
using Sum = int16x8_t;
static Sum zero() { return vdupq_n_s16(0); }
static Sum dot(Sum sum, const int8_t* x, const int8_t* w) {
  return vmlal_s8(sum, vdup_n_s8(*x), vdup_n_s8(*w));
}
static void store(int32_t* out, Sum sum) { vst1q_s32(out, vreinterpretq_s32_s16(sum)); }
#endif

void spilled_loop(const int8_t* x, const int8_t* w, int count, int32_t* out) {
  Sum sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = zero();
  for (int k = 0; k < count; ++k) {
    for (int i = 0; i < kSums; ++i) sums[i] = dot(sums[i], x + k, w + k * kSums + i);
  }
  for (int i = 0; i < kSums; ++i) store(out + 8 * i, sums[i]);
}

}  // namespace heed::tidy
