#include <immintrin.h>

#include "ops/peak/peak.h"

namespace heed {
namespace {

int64_t multiply_adds(int64_t rounds) {
  const __m512i x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
  const auto dot = [](__m512i s, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(s, a, b); };
  const int64_t each = 64;
  // Twelve chains hide a latency of six cycles at two a cycle. The empty statements keep each in a
  // register.
  __m512i s0 = x, s1 = x, s2 = x, s3 = x, s4 = x, s5 = x, s6 = x, s7 = x, s8 = x, s9 = x, s10 = x,
          s11 = x;
  for (int64_t r = 0; r < rounds; ++r) {
    s0 = dot(s0, x, w), s1 = dot(s1, x, w), s2 = dot(s2, x, w), s3 = dot(s3, x, w);
    s4 = dot(s4, x, w), s5 = dot(s5, x, w), s6 = dot(s6, x, w), s7 = dot(s7, x, w);
    s8 = dot(s8, x, w), s9 = dot(s9, x, w), s10 = dot(s10, x, w), s11 = dot(s11, x, w);
    __asm__ volatile("" : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5));
    __asm__ volatile("" : "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9), "+v"(s10), "+v"(s11));
  }
  return rounds * 12 * each;
}

}  // namespace

extern const PeakKernel peak_avx512vnni;
const PeakKernel peak_avx512vnni = {"avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni,
                                    multiply_adds};

}  // namespace heed
