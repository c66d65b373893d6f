#include "ops/norm/norm.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

NormArgs args_of(Panel& x, Panel& y, float* absmax, const float* gamma, const float* beta) {
  return {
      {x.memory.data(), x.step, y.memory.data(), y.step, x.rows, x.n, absmax}, gamma, beta, 1e-5f};
}

void run(const NormKernel& kernel, bool layer, const NormArgs& args) {
  (layer ? kernel.layer : kernel.rms)(args);
}

/// Every variant of norm(x + residual), beside x or in its place, next to the sum and its norm in
/// turn.
void check_residual(SeededRandom& random, Panel& x, bool layer, const float* gamma,
                    const float* beta) {
  const auto count = static_cast<size_t>(x.rows);
  Panel residual(x.rows, x.n, 1), expected_sum(x.rows, x.n, 2), expected(x.rows, x.n, 0);
  residual.fill(random, Values::normal);
  GuardedBuffer<float> expected_absmax(count), absmax(count);
  for (int32_t m = 0; m < x.rows; ++m)
    for (int32_t i = 0; i < x.n; ++i) expected_sum.row(m)[i] = x.row(m)[i] + residual.row(m)[i];
  run(reference_of(norm_kernels()), layer,
      args_of(expected_sum, expected, expected_absmax.data(), gamma, beta));
  for_each_variant(norm_kernels(), detect_isa(), [&](const NormKernel& kernel) {
    INFO(kernel.name << " with a residual, n " << x.n << " rows " << x.rows);
    for (const bool in_place : {false, true}) {
      Panel from(x.rows, x.n, 2), sum(x.rows, x.n, 2), y(x.rows, x.n, 0);
      for (int32_t m = 0; m < x.rows; ++m) std::copy_n(x.row(m), x.n, from.row(m));
      Panel& to = in_place ? from : sum;
      NormArgs args = args_of(from, y, absmax.data(), gamma, beta);
      args.residual = residual.memory.data();
      args.residual_step = residual.step;
      args.sum = to.memory.data();
      args.sum_step = to.step;
      run(kernel, layer, args);
      for (int32_t m = 0; m < x.rows; ++m) {
        const size_t bytes = static_cast<size_t>(x.n) * sizeof(float);
        CHECK(same_bits(to.row(m), expected_sum.row(m), bytes));
        CHECK(same_bits(y.row(m), expected.row(m), bytes));
      }
      CHECK(same_bits(absmax.data(), expected_absmax.data(), absmax.bytes()));
    }
  });
}

}  // namespace

TEST_CASE("every norm variant gives the reference's bits at every width and row count") {
  SeededRandom random(12);
  int32_t turn = 0;
  for (const int32_t n : row_widths()) {
    const int32_t rows = turn++ % 10;
    const auto gap = static_cast<int32_t>(random.integer(0, 2));
    const auto count = static_cast<size_t>(rows);
    Panel x(rows, n, gap), expected(rows, n, gap), y(rows, n, gap);
    x.fill(random, kAllValues[random.integer(0, 4)]);
    GuardedBuffer<float> gamma(static_cast<size_t>(n)), beta(static_cast<size_t>(n));
    random.fill(gamma.span());
    random.fill(beta.span());
    GuardedBuffer<float> expected_absmax(count), absmax(count);
    for (const bool layer : {true, false}) {
      for (const float* shift : {static_cast<const float*>(beta.data()), (const float*)nullptr}) {
        expected.copy_from(x);
        run(reference_of(norm_kernels()), layer,
            args_of(x, expected, expected_absmax.data(), gamma.data(), shift));
        for_each_variant(norm_kernels(), detect_isa(), [&](const NormKernel& kernel) {
          INFO(kernel.name << (layer ? " layer" : " rms") << " n " << n << " rows " << rows);
          y.copy_from(x);
          run(kernel, layer, args_of(x, y, absmax.data(), gamma.data(), shift));
          CHECK(same_bits(y, expected));
          CHECK(same_bits(absmax.data(), expected_absmax.data(), absmax.bytes()));
          y.copy_from(x);
          run(kernel, layer, args_of(y, y, nullptr, gamma.data(), shift));
          CHECK(same_bits(y, expected));
        });
        check_residual(random, x, layer, gamma.data(), shift);
      }
    }
  }
}

TEST_CASE("a norm is what its formula says, to a few millionths") {
  SeededRandom random(13);
  constexpr int32_t kN = 768;
  Panel x(1, kN), y(1, kN);
  std::vector<float> gamma(kN), beta(kN);
  random.fill(gamma);
  random.fill(beta);
  x.fill(random, Values::normal);
  double mean = 0, square = 0, variance = 0;
  for (const float v : x.memory) mean += v / double{kN}, square += double{v} * v / kN;
  for (const float v : x.memory) variance += (v - mean) * (v - mean) / kN;
  const double layer_scale = 1 / std::sqrt(variance + 1e-5),
               rms_scale = 1 / std::sqrt(square + 1e-5);
  for_each_variant(norm_kernels(), detect_isa(), [&](const NormKernel& kernel) {
    double worst = 0;
    kernel.layer(args_of(x, y, nullptr, gamma.data(), beta.data()));
    for (int32_t i = 0; i < kN; ++i) {
      const double want = (x.row(0)[i] - mean) * layer_scale * gamma[i] + beta[i];
      worst = std::max(worst, std::abs(y.row(0)[i] - want));
    }
    kernel.rms(args_of(x, y, nullptr, gamma.data(), nullptr));
    for (int32_t i = 0; i < kN; ++i) {
      worst = std::max(worst, std::abs(y.row(0)[i] - x.row(0)[i] * rms_scale * gamma[i]));
    }
    CHECK(worst < 2e-6);
  });
}

TEST_CASE("a row of equal values normalises to beta") {
  float x[21], y[21], gamma[21], beta[21];
  for (int i = 0; i < 21; ++i) x[i] = 4.0f, gamma[i] = 2.0f, beta[i] = static_cast<float>(i);
  for_each_variant(norm_kernels(), detect_isa(), [&](const NormKernel& kernel) {
    kernel.layer({{x, 21, y, 21, 1, 21, nullptr}, gamma, beta, 1e-5f});
    CHECK(same_bits(y, beta, sizeof y));
  });
}
