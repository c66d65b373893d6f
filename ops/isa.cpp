#include "ops/isa.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__) && (defined(__aarch64__) || defined(__arm__))
#include <sys/auxv.h>
#endif

namespace heed {

#if defined(__x86_64__)

namespace {

bool bit(uint32_t word, int index) { return (word >> index & 1u) != 0; }

// Which register states the operating system saves. A CPU feature without it must not be used.
uint32_t saved_states() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

IsaSet detect_isa() {
  constexpr uint32_t kAvxState = 0x06;     // XMM and upper YMM
  constexpr uint32_t kAvx512State = 0xe6;  // and the masks, upper ZMM and ZMM16-31
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return IsaSet();
  const bool fma = bit(ecx, 12);
  const bool osxsave = bit(ecx, 27);
  const bool avx = bit(ecx, 28);
  const bool f16c = bit(ecx, 29);
  if (!osxsave || !avx || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return IsaSet();
  const uint32_t leaves = eax;
  const uint32_t states = saved_states();
  const bool avx2 = bit(ebx, 5);
  const bool bmi2 = bit(ebx, 8);
  // The compiler may use all of these in an _avx2 file, so the feature means all of them.
  if (!(avx2 && fma && f16c && bmi2) || (states & kAvxState) != kAvxState) return IsaSet();
  IsaSet have = Isa::avx2;
  const bool avx512 = bit(ebx, 16) && bit(ebx, 17) && bit(ebx, 30) && bit(ebx, 31);  // F DQ BW VL
  if (avx512 && (states & kAvx512State) == kAvx512State) {
    have = have | Isa::avx512;
    if (bit(ecx, 11)) have = have | Isa::avx512vnni;
  }
  if (leaves >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && bit(eax, 4)) {
    have = have | Isa::avxvnni;
  }
  return have;
}

#elif defined(__APPLE__) && defined(__aarch64__)

namespace {

bool has_feature(const char* name) {
  int value = 0;
  size_t size = sizeof(value);
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}

}  // namespace

IsaSet detect_isa() {
  IsaSet have = Isa::neon;
  if (has_feature("hw.optional.arm.FEAT_DotProd")) {
    have = have | Isa::dotprod;
    if (has_feature("hw.optional.arm.FEAT_I8MM")) have = have | Isa::i8mm;
  }
  return have;
}

#elif defined(__aarch64__) && defined(__linux__)

IsaSet detect_isa() {
  constexpr unsigned long kHwcapDotprod = 1ul << 20;  // HWCAP_ASIMDDP
  constexpr unsigned long kHwcap2I8mm = 1ul << 13;    // HWCAP2_I8MM
  IsaSet have = Isa::neon;
  if (getauxval(AT_HWCAP) & kHwcapDotprod) {
    have = have | Isa::dotprod;
    if (getauxval(AT_HWCAP2) & kHwcap2I8mm) have = have | Isa::i8mm;
  }
  return have;
}

#elif defined(__aarch64__)

IsaSet detect_isa() { return Isa::neon; }

#elif defined(__arm__) && defined(__linux__)

IsaSet detect_isa() {
  constexpr unsigned long kNeon = 1ul << 12;   // HWCAP_NEON
  constexpr unsigned long kVfpv4 = 1ul << 16;  // HWCAP_VFPv4: fused multiply-add
  const unsigned long hwcap = getauxval(AT_HWCAP);
  return (hwcap & kNeon) && (hwcap & kVfpv4) ? IsaSet(Isa::neon) : IsaSet();
}

#else

IsaSet detect_isa() { return IsaSet(); }

#endif

const IsaName kIsaNames[] = {
    {"reference", IsaSet()},
    {"avx2", Isa::avx2},
    {"avxvnni", Isa::avx2 | Isa::avxvnni},
    {"avx512", Isa::avx2 | Isa::avx512},
    {"avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni},
    {"neon", Isa::neon},
    {"dotprod", Isa::neon | Isa::dotprod},
    {"i8mm", Isa::neon | Isa::dotprod | Isa::i8mm},
};
const size_t kIsaNameCount = sizeof(kIsaNames) / sizeof(kIsaNames[0]);

bool parse_isa(const char* text, IsaSet* out) {
  if (strcmp(text, "native") == 0) {
    *out = detect_isa();
    return true;
  }
  for (const IsaName& known : kIsaNames) {
    if (strcmp(text, known.name) == 0) {
      *out = known.set;
      return true;
    }
  }
  return false;
}

const char* isa_name(IsaSet have) {
  const char* best = kIsaNames[0].name;
  for (const IsaName& known : kIsaNames) {
    if (have.contains(known.set)) best = known.name;
  }
  return best;
}

}  // namespace heed
