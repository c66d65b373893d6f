#include "ops/isa.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>

using heed::Isa;
using heed::IsaSet;

TEST_CASE("every feature name parses to its own set and back to its name") {
  for (size_t i = 0; i < heed::kIsaNameCount; ++i) {
    const heed::IsaName& known = heed::kIsaNames[i];
    IsaSet set(0xffffffffu);
    REQUIRE(heed::parse_isa(known.name, &set));
    CHECK(set == known.set);
    CHECK(std::string(heed::isa_name(set)) == known.name);
  }
}

TEST_CASE("an unknown feature name is refused and leaves the set alone") {
  IsaSet set = Isa::avx2;
  for (const char* text : {"", "avx", "AVX2", "avx2 ", "best"}) {
    CHECK_FALSE(heed::parse_isa(text, &set));
    CHECK(set == IsaSet(Isa::avx2));
  }
}

TEST_CASE("native means what detect_isa finds, and the finding is stable") {
  IsaSet native;
  REQUIRE(heed::parse_isa("native", &native));
  CHECK(native == heed::detect_isa());
  CHECK(heed::detect_isa() == heed::detect_isa());
}

TEST_CASE("a detected feature comes with the features it builds on") {
  const IsaSet have = heed::detect_isa();
  const std::pair<Isa, IsaSet> builds_on[] = {{Isa::avx512vnni, Isa::avx2 | Isa::avx512},
                                              {Isa::avx512, Isa::avx2},
                                              {Isa::avxvnni, Isa::avx2},
                                              {Isa::i8mm, Isa::neon | Isa::dotprod},
                                              {Isa::dotprod, Isa::neon}};
  for (const auto& [feature, needed] : builds_on) {
    if (have.contains(feature)) CHECK(have.contains(needed));
    // And the name of the feature stands for it and for these.
    IsaSet named;
    REQUIRE(heed::parse_isa(heed::isa_name(needed | feature), &named));
    CHECK(named == (needed | feature));
  }
}

TEST_CASE("a set contains its parts and the empty set, and not what it lacks") {
  const IsaSet set = Isa::avx2 | Isa::avx512;
  CHECK(set.contains(Isa::avx2));
  CHECK(set.contains(IsaSet()));
  CHECK_FALSE(set.contains(Isa::avx512vnni));
  CHECK_FALSE(set.contains(Isa::avx2 | Isa::avxvnni));
  CHECK((set & Isa::avx2) == IsaSet(Isa::avx2));
}

#if defined(__x86_64__) && defined(__GNUC__)
TEST_CASE("x86 detection agrees with the compiler's own") {
  const IsaSet have = heed::detect_isa();
  __builtin_cpu_init();
  CHECK(have.contains(Isa::avx2) ==
        (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
  CHECK(have.contains(Isa::avx512) ==
        (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
  CHECK(have.contains(Isa::avx512vnni) == !!__builtin_cpu_supports("avx512vnni"));
}
#endif
