#include "ops/kernel_set.h"

#include <catch2/catch_test_macros.hpp>
#include <string_view>

#include "ops/activation/activation.h"
#include "ops/linear/linear.h"
#include "ops/norm/norm.h"

using namespace heed;

TEST_CASE("a kernel set is complete for every named instruction set, the empty one included") {
  for (size_t i = 0; i < kIsaNameCount; ++i) {
    INFO(kIsaNames[i].name);
    const KernelSet set = choose_kernels(kIsaNames[i].set);
    CHECK(set.isa == kIsaNames[i].set);
    CHECK((set.linear && set.matmul && set.attention && set.activation && set.norm));
    CHECK(set.cached_attention);
    CHECK((set.quantize && set.softmax && set.elementwise && set.reduce && set.rope));
    CHECK(set.depthwise);
    CHECK(kIsaNames[i].set.contains(set.linear->isa));
    CHECK(kIsaNames[i].set.contains(set.norm->isa));
  }
}

TEST_CASE("a kernel set takes the best variant that the machine can run and nothing better") {
  CHECK(std::string_view(choose_kernels(IsaSet()).activation->name) == "reference");
#if HEED_HAVE_AVX512
  const IsaSet avx512 = Isa::avx2 | Isa::avx512;
  CHECK(std::string_view(choose_kernels(avx512).activation->name) == "avx512");
  CHECK(std::string_view(choose_kernels(Isa::avx2).activation->name) == "avx2");
#elif HEED_HAVE_NEON
  CHECK(std::string_view(choose_kernels(Isa::neon).activation->name) == "neon");
#endif
}
