#include "ops/rope/rope.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

TEST_CASE("every rope variant gives the reference's bits, for every width and both pairings") {
  SeededRandom random(31);
  for (const int32_t half : {1, 4, 15, 16, 17, 32, 40}) {
    for (const int32_t rest : {0, 3}) {
      const int32_t width = 2 * half + rest, heads = 3, rows = 4;
      Panel x(rows, heads * width, 5), angles(rows, 2 * half);
      Panel expected(rows, heads * width, 2), y(rows, heads * width, 2);
      x.fill(random, Values::normal);
      angles.fill(random, Values::normal);
      for (const bool interleaved : {false, true}) {
        const auto args = [&](Panel& to) {
          return RopeArgs{
              x.memory.data(), x.step, to.memory.data(), to.step, angles.memory.data(), rows, heads,
              width,           half,   interleaved};
        };
        reference_of(rope_kernels()).rotate(args(expected));
        for_each_variant(rope_kernels(), detect_isa(), [&](const RopeKernel& kernel) {
          INFO(kernel.name << " half " << half << " rest " << rest << " " << interleaved);
          kernel.rotate(args(y));
          CHECK(same_bits(y, expected));
        });
      }
    }
  }
}

TEST_CASE("rope turns pairs by their angle and copies what it does not turn") {
  const float x[5] = {1, 2, 3, 4, 9};
  const float angle[2] = {0.5f, -1.0f};
  const float angles[4] = {std::cos(angle[0]), std::cos(angle[1]), std::sin(angle[0]),
                           std::sin(angle[1])};
  for (const bool interleaved : {false, true}) {
    float y[5];
    reference_of(rope_kernels()).rotate({x, 5, y, 5, angles, 1, 1, 5, 2, interleaved});
    for (int i = 0; i < 2; ++i) {
      const int first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + 2;
      CHECK(std::abs(y[first] - (x[first] * std::cos(angle[i]) - x[second] * std::sin(angle[i]))) <
            1e-6f);
      CHECK(std::abs(y[second] - (x[second] * std::cos(angle[i]) + x[first] * std::sin(angle[i]))) <
            1e-6f);
    }
    CHECK(y[4] == 9);
  }
}
