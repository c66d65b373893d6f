#include "tests/bench/machine_peak.h"

#include <algorithm>
#include <chrono>

#include "ops/isa.h"

namespace heed::bench {
namespace {

constexpr int kRounds = 2000;

// Sixteen independent chains hide the latency of any core so far.
#define HEED_SIXTEEN(instruction)                                                                 \
  instruction(0) instruction(1) instruction(2) instruction(3) instruction(4) instruction(5)       \
      instruction(6) instruction(7) instruction(8) instruction(9) instruction(10) instruction(11) \
          instruction(12) instruction(13) instruction(14) instruction(15)

#if defined(__x86_64__)

#define HEED_CLOBBERS                                                                      \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

[[gnu::target("avx512f,avx512vnni")]] void int8_512() {
#define HEED_ONE(n) "vpdpbusd %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n"
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_ONE
}
[[gnu::target("avx512f,avx512vl,avx512vnni")]] void int8_256_evex() {
#define HEED_ONE(n) "%{evex%} vpdpbusd %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_ONE
}
[[gnu::target("avx2,avxvnni")]] void int8_256_vex() {
#define HEED_ONE(n) "%{vex%} vpdpbusd %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_ONE
}
[[gnu::target("avx2")]] void int16_256() {
#define HEED_ONE(n) "vpmaddwd %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_ONE
}
// The registers are cleared first: a denormal number would be slow.
[[gnu::target("avx512f")]] void float_512() {
#define HEED_CLEAR(n) "vpxord %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n"
#define HEED_ONE(n) "vfmadd231ps %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n"
  __asm__ volatile(HEED_SIXTEEN(HEED_CLEAR)::: HEED_CLOBBERS);
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_CLEAR
#undef HEED_ONE
}
[[gnu::target("avx2,fma")]] void float_256() {
#define HEED_CLEAR(n) "vpxor %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
#define HEED_ONE(n) "vfmadd231ps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
  __asm__ volatile(HEED_SIXTEEN(HEED_CLEAR)::: HEED_CLOBBERS);
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_CLEAR
#undef HEED_ONE
}

#elif defined(__aarch64__)

#define HEED_CLOBBERS                                                                            \
  "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", \
      "v15"

[[gnu::target("arch=armv8.2-a+dotprod")]] void int8_sdot() {
#define HEED_ONE(n) "sdot v" #n ".4s, v" #n ".16b, v" #n ".16b\n"
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_ONE
}
[[gnu::target("arch=armv8.2-a+i8mm")]] void int8_smmla() {
#define HEED_ONE(n) "smmla v" #n ".4s, v" #n ".16b, v" #n ".16b\n"
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_ONE
}
void float_128() {
#define HEED_CLEAR(n) "movi v" #n ".4s, #0\n"
#define HEED_ONE(n) "fmla v" #n ".4s, v" #n ".4s, v" #n ".4s\n"
  __asm__ volatile(HEED_SIXTEEN(HEED_CLEAR)::: HEED_CLOBBERS);
  for (int i = 0; i < kRounds; ++i) __asm__ volatile(HEED_SIXTEEN(HEED_ONE)::: HEED_CLOBBERS);
#undef HEED_CLEAR
#undef HEED_ONE
}

#endif

struct Loop {
  const char* name;
  IsaSet isa;
  void (*run)();
  int macs;  // of one instruction
};

std::vector<Peak> measure(std::vector<Loop> loops) {
  using Clock = std::chrono::steady_clock;
  const IsaSet have = detect_isa();
  std::vector<Peak> peaks;
  for (const Loop& loop : loops) {
    if (!have.contains(loop.isa)) continue;
    double best = 1e30;
    for (int i = 0; i < 200; ++i) {
      const Clock::time_point start = Clock::now();
      loop.run();
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
    peaks.push_back({loop.name, 1e-9 * 16 * kRounds * loop.macs / best});
  }
  return peaks;
}

}  // namespace

std::vector<Peak> measure_int8_peaks() {
#if defined(__x86_64__)
  return measure({{"vpdpbusd 512", Isa::avx512 | Isa::avx512vnni, int8_512, 64},
                  {"vpdpbusd 256", Isa::avx512 | Isa::avx512vnni, int8_256_evex, 32},
                  {"vpdpbusd 256 vex", Isa::avxvnni, int8_256_vex, 32},
                  {"vpmaddwd 256", Isa::avx2, int16_256, 16}});
#elif defined(__aarch64__)
  return measure({{"smmla", Isa::i8mm, int8_smmla, 32}, {"sdot", Isa::dotprod, int8_sdot, 16}});
#else
  return measure({});
#endif
}

std::vector<Peak> measure_float_peaks() {
#if defined(__x86_64__)
  return measure({{"fma 512", Isa::avx512, float_512, 16}, {"fma 256", Isa::avx2, float_256, 8}});
#elif defined(__aarch64__)
  return measure({{"fma 128", Isa::neon, float_128, 4}});
#else
  return measure({});
#endif
}

}  // namespace heed::bench
