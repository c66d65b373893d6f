#include "ops/softmax/softmax.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

RowsArgs args_of(Panel& x, Panel& y) {
  return {x.memory.data(), x.step, y.memory.data(), y.step, x.rows, x.n, nullptr};
}

void run(const SoftmaxKernel& kernel, bool log, const RowsArgs& args) {
  (log ? kernel.log_softmax : kernel.softmax)(args);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("every softmax variant gives the reference's bits, in place or not, at every width") {
  SeededRandom random(16);
  for (const int32_t n : row_widths()) {
    const auto rows = static_cast<int32_t>(random.integer(0, 3));
    const auto gap = static_cast<int32_t>(random.integer(0, 2));
    Panel x(rows, n, gap), expected(rows, n, gap), y(rows, n, gap);
    x.fill(random, kAllValues[random.integer(0, 4)]);
    if (rows > 0) x.row(0)[n / 2] = -kInfinity;
    for (const bool log : {false, true}) {
      expected.copy_from(x);
      run(reference_of(softmax_kernels()), log, args_of(x, expected));
      for_each_variant(softmax_kernels(), detect_isa(), [&](const SoftmaxKernel& kernel) {
        INFO(kernel.name << " log " << log << " n " << n);
        y.copy_from(x);
        run(kernel, log, args_of(x, y));
        CHECK(same_bits(y, expected));
        y.copy_from(x);
        run(kernel, log, args_of(y, y));
        CHECK(same_bits(y, expected));
      });
    }
  }
}

TEST_CASE("softmax is within two parts in a million of the exact one") {
  SeededRandom random(17);
  for_each_variant(softmax_kernels(), detect_isa(), [&](const SoftmaxKernel& kernel) {
    Panel x(1, 1000), y(1, 1000), log_y(1, 1000);
    x.fill(random, Values::normal);
    kernel.softmax(args_of(x, y));
    kernel.log_softmax(args_of(x, log_y));
    double sum = 0, worst = 0, worst_log = 0;
    for (const float v : x.memory) sum += std::exp(double{v});
    for (int32_t i = 0; i < 1000; ++i) {
      const double want = std::exp(double{x.row(0)[i]}) / sum;
      worst = std::max(worst, std::abs(y.row(0)[i] / want - 1));
      worst_log = std::max(worst_log, std::abs(log_y.row(0)[i] / std::log(want) - 1));
    }
    INFO(kernel.name << " " << worst << " " << worst_log);
    CHECK(worst < 2e-6);  // x - max itself is rounded
    CHECK(worst_log < 5e-7);
  });
}

TEST_CASE("masked positions get exactly zero and a fully masked row is all zeros") {
  for_each_variant(softmax_kernels(), detect_isa(), [&](const SoftmaxKernel& kernel) {
    Panel x(2, 20), y(2, 20);
    for (float& v : x.memory) v = -kInfinity;
    x.row(0)[3] = 2.0f;
    x.row(0)[17] = 2.0f;
    kernel.softmax(args_of(x, y));
    for (int32_t i = 0; i < 20; ++i) {
      CHECK(y.row(0)[i] == (i == 3 || i == 17 ? 0.5f : 0.0f));
      CHECK(y.row(1)[i] == 0.0f);
    }
  });
}
