#pragma once
// Which instruction sets a kernel needs and which this machine has. Features, not CPU names.

#include <stddef.h>
#include <stdint.h>

namespace heed {

/// One bit per feature that a kernel variant may require. A variant's file is named after its bit:
/// `<family>_<feature>.cpp`; isa.cmake holds the compiler flags of each.
enum class Isa : uint32_t {
  avx2 = 1u << 0,        // AVX2, FMA3, F16C, BMI2
  avxvnni = 1u << 1,     // 256-bit vpdpbusd, VEX encoded
  avx512 = 1u << 2,      // AVX-512 F, BW, DQ, VL
  avx512vnni = 1u << 3,  // 512-bit vpdpbusd
  neon = 1u << 8,        // aarch64 baseline; armv7: NEON with VFPv4 (fused multiply-add)
  dotprod = 1u << 9,     // sdot, udot
  i8mm = 1u << 10,       // smmla, usdot
};

/// A set of features. The empty set is the portable machine: only reference kernels fit it.
struct IsaSet {
  uint32_t bits = 0;

  constexpr IsaSet() = default;
  constexpr IsaSet(Isa one) : bits(static_cast<uint32_t>(one)) {}
  constexpr explicit IsaSet(uint32_t raw) : bits(raw) {}
  constexpr bool contains(IsaSet need) const { return (need.bits & ~bits) == 0; }
  constexpr bool operator==(const IsaSet&) const = default;
};
constexpr IsaSet operator|(IsaSet a, IsaSet b) { return IsaSet(a.bits | b.bits); }
constexpr IsaSet operator|(Isa a, Isa b) { return IsaSet(a) | IsaSet(b); }
constexpr IsaSet operator&(IsaSet a, IsaSet b) { return IsaSet(a.bits & b.bits); }

/// What this machine can execute (CPU and operating system both). Reads CPUID or the auxiliary
/// vector anew at each call; cheap, no state.
IsaSet detect_isa();

/// The set that a name stands for: a feature name means that feature and everything it builds on
/// ("avx512vnni": avx2, avx512, avx512vnni; "dotprod": neon, dotprod), "reference" the empty set,
/// "native" detect_isa(). Returns false and leaves `out` alone for any other text.
bool parse_isa(const char* text, IsaSet* out);

/// Names of all features with their sets, best last, "reference" first: for help texts and tests.
struct IsaName {
  const char* name;
  IsaSet set;
};
extern const IsaName kIsaNames[];
extern const size_t kIsaNameCount;

/// The best (last) name whose set `have` contains, "reference" at least.
const char* isa_name(IsaSet have);

}  // namespace heed
