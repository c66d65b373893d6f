#include "ops/reduce/reduce.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr ReduceKind kKinds[] = {
    ReduceKind::sum,     ReduceKind::mean,        ReduceKind::max,     ReduceKind::min,
    ReduceKind::prod,    ReduceKind::l1,          ReduceKind::l2,      ReduceKind::sum_square,
    ReduceKind::log_sum, ReduceKind::log_sum_exp, ReduceKind::arg_max, ReduceKind::arg_min};

}  // namespace

TEST_CASE("every reduce variant gives the reference's bits along rows and down columns") {
  SeededRandom random(18);
  for (const int32_t n : row_widths()) {
    for (const int64_t inner : {int64_t{1}, random.integer(2, 40)}) {
      const int64_t outer = random.integer(1, 3);
      GuardedBuffer<float> x(static_cast<size_t>(outer * n * inner));
      const Values values = kAllValues[random.integer(0, 4)];
      for (float& v : x) v = draw(random, values);
      const auto results = static_cast<size_t>(outer * inner);
      GuardedBuffer<float> expected(results), y(results);
      GuardedBuffer<int64_t> expected_index(results), index(results);
      for (const ReduceKind kind : kKinds) {
        if (kDenormalsFlushed && kind == ReduceKind::prod && values != Values::huge) continue;
        reference_of(reduce_kernels())
            .run({x.data(), expected.data(), expected_index.data(), outer, n, inner}, kind);
        for_each_variant(reduce_kernels(), detect_isa(), [&](const ReduceKernel& kernel) {
          INFO(kernel.name << " kind " << static_cast<int>(kind) << " n " << n << " inner "
                           << inner);
          kernel.run({x.data(), y.data(), index.data(), outer, n, inner}, kind);
          for (size_t i = 0; i < results; ++i) {
            const bool both_nan = y[i] != y[i] && expected[i] != expected[i];
            CHECK((both_nan || same_bits(&y[i], &expected[i], sizeof(float))));
          }
          CHECK(same_bits(index.data(), expected_index.data(), index.bytes()));
        });
      }
    }
  }
}

TEST_CASE("every variant multiplies rows by one vector with the reference's bits, at every width") {
  SeededRandom random(19);
  for (const int32_t n : row_widths()) {
    const auto rows = static_cast<int32_t>(random.integer(0, 9));
    const Values values = kAllValues[random.integer(0, 4)];
    Panel x(rows, n, static_cast<int32_t>(random.integer(0, 3)));
    x.fill(random, values);
    GuardedBuffer<float> a(static_cast<size_t>(n));
    for (float& v : a) v = draw(random, values);
    GuardedBuffer<float> expected(static_cast<size_t>(rows)), y(expected.size());
    reference_of(reduce_kernels())
        .dot_rows({x.memory.data(), x.step, a.data(), expected.data(), rows, n});
    for_each_variant(reduce_kernels(), detect_isa(), [&](const ReduceKernel& kernel) {
      INFO(kernel.name << " n " << n << " rows " << rows);
      kernel.dot_rows({x.memory.data(), x.step, a.data(), y.data(), rows, n});
      for (size_t m = 0; m < y.size(); ++m) {
        const bool both_nan = y[m] != y[m] && expected[m] != expected[m];
        CHECK((both_nan || same_bits(&y[m], &expected[m], sizeof(float))));
      }
    });
  }
}

TEST_CASE("a dot product of known rows is the sum of their products") {
  const float x[6] = {1.0f, -2.0f, 4.0f, 0.5f, 8.0f, -1.0f}, a[3] = {2.0f, 3.0f, -1.0f};
  float y[2];
  for_each_variant(reduce_kernels(), detect_isa(), [&](const ReduceKernel& kernel) {
    kernel.dot_rows({x, 3, a, y, 2, 3});
    CHECK(y[0] == -8.0f);
    CHECK(y[1] == 26.0f);
  });
}

TEST_CASE("reductions of a known row are what their names say") {
  const float x[5] = {1.0f, -2.0f, 4.0f, 4.0f, -2.0f};
  const double log_sum_exp = std::log(std::exp(1) + 2 * std::exp(-2) + 2 * std::exp(4));
  const double expected[] = {5, 1, 4, -2, 64, 13, std::sqrt(41.0), 41, std::log(5), log_sum_exp};
  for_each_variant(reduce_kernels(), detect_isa(), [&](const ReduceKernel& kernel) {
    float y;
    int64_t index;
    for (int kind = 0; kind < 10; ++kind) {
      INFO(kernel.name << " kind " << kind);
      kernel.run({x, &y, nullptr, 1, 5, 1}, static_cast<ReduceKind>(kind));
      CHECK(std::abs(y - expected[kind]) < 1e-6 * std::abs(expected[kind]));
    }
    kernel.run({x, nullptr, &index, 1, 5, 1}, ReduceKind::arg_max);
    CHECK(index == 2);
    kernel.run({x, nullptr, &index, 1, 5, 1}, ReduceKind::arg_min);
    CHECK(index == 1);
  });
}

TEST_CASE("a log-sum-exp of nothing but -infinity is -infinity, of one +infinity +infinity") {
  const float infinity = std::numeric_limits<float>::infinity();
  for_each_variant(reduce_kernels(), detect_isa(), [&](const ReduceKernel& kernel) {
    float x[3] = {-infinity, -infinity, -infinity}, y;
    kernel.run({x, &y, nullptr, 1, 3, 1}, ReduceKind::log_sum_exp);
    CHECK(y == -infinity);
    x[1] = infinity;
    kernel.run({x, &y, nullptr, 1, 3, 1}, ReduceKind::log_sum_exp);
    CHECK(y == infinity);
  });
}

TEST_CASE("integers reduce exactly") {
  const int64_t x[6] = {3, -7, 5, 5, 2, -7};  // as [1, 3, 2]: columns (3, 5, 2) and (-7, 5, -7)
  int64_t y[2];
  reduce_i64({x, y, 1, 3, 2}, ReduceKind::sum);
  CHECK((y[0] == 10 && y[1] == -9));
  reduce_i64({x, y, 1, 3, 2}, ReduceKind::arg_min);
  CHECK((y[0] == 2 && y[1] == 0));
  reduce_i64({x, y, 1, 6, 1}, ReduceKind::max);
  CHECK(y[0] == 5);
  reduce_i64({x, y, 1, 6, 1}, ReduceKind::prod);
  CHECK(y[0] == 3 * -7 * 5 * 5 * 2 * -7);
}
