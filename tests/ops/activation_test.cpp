#include "ops/activation/activation.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr ActivationKind kKinds[] = {
    ActivationKind::none,           ActivationKind::relu,
    ActivationKind::gelu_erf,       ActivationKind::gelu_tanh,
    ActivationKind::silu,           ActivationKind::sigmoid,
    ActivationKind::tanh,           ActivationKind::gelu_sigmoid,
    ActivationKind::gelu_erf_short, ActivationKind::gelu_tanh_short,
    ActivationKind::silu_short};

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

double exact(ActivationKind kind, double x) {
  const double root = std::sqrt(2 / std::acos(-1.0));
  switch (kind) {
    case ActivationKind::none:
      return x;
    case ActivationKind::relu:
      return std::max(x, 0.0);
    case ActivationKind::gelu_erf:
    case ActivationKind::gelu_erf_short:
      return x * std::erfc(-x * std::sqrt(0.5)) / 2;
    case ActivationKind::gelu_tanh:
    case ActivationKind::gelu_tanh_short:
      return x * sigmoid_of(2 * root * (x + 0.044715 * x * x * x));
    case ActivationKind::silu:
    case ActivationKind::silu_short:
      return x * sigmoid_of(x);
    case ActivationKind::sigmoid:
      return sigmoid_of(x);
    case ActivationKind::tanh:
      return std::tanh(x);
    case ActivationKind::gelu_sigmoid:
      return x * sigmoid_of(1.702 * x);
  }
  return x;
}

/// Of an error, against the larger of 1 and the value: the bounds of ops/README.md.
double bound_of(ActivationKind kind) {
  if (kind >= ActivationKind::gelu_erf_short) return 1.3e-4;
  return kind == ActivationKind::tanh ? 4e-7 : 2.5e-7;
}

RowsArgs args_of(Panel& x, Panel& y, float* absmax) {
  return {x.memory.data(), x.step, y.memory.data(), y.step, x.rows, x.n, absmax};
}

}  // namespace

TEST_CASE("every activation variant gives the reference's bits, in place or not, at every width") {
  SeededRandom random(11);
  for (const int32_t n : row_widths()) {
    const auto rows = static_cast<int32_t>(random.integer(1, 3));
    const auto gap = static_cast<int32_t>(random.integer(0, 2));
    const Values values = kAllValues[n % 5];
    Panel x(rows, n, gap), expected(rows, n, gap), y(rows, n, gap);
    x.fill(random, values);
    GuardedBuffer<float> expected_absmax(static_cast<size_t>(rows));
    GuardedBuffer<float> absmax(static_cast<size_t>(rows));
    for (const ActivationKind kind : kKinds) {
      expected.copy_from(x);
      reference_of(activation_kernels()).run(args_of(x, expected, expected_absmax.data()), kind);
      for_each_variant(activation_kernels(), detect_isa(), [&](const ActivationKernel& kernel) {
        INFO(kernel.name << " kind " << static_cast<int>(kind) << " n " << n);
        y.copy_from(x);
        kernel.run(args_of(x, y, absmax.data()), kind);
        CHECK(same_bits(y, expected));
        CHECK(same_bits(absmax.data(), expected_absmax.data(), absmax.bytes()));
        y.copy_from(x);
        kernel.run(args_of(y, y, nullptr), kind);
        CHECK(same_bits(y, expected));
      });
    }
  }
}

TEST_CASE("activations of every size of float agree between variants and stay near libm") {
  std::vector<float> x = floats_of_all_sizes(10007);
  std::vector<float> expected(x.size()), y(x.size());
  const auto n = static_cast<int32_t>(x.size());
  for (const ActivationKind kind : kKinds) {
    reference_of(activation_kernels()).run({x.data(), n, expected.data(), n, 1, n, nullptr}, kind);
    for_each_variant(activation_kernels(), detect_isa(), [&](const ActivationKernel& kernel) {
      INFO(kernel.name << " kind " << static_cast<int>(kind));
      kernel.run({x.data(), n, y.data(), n, 1, n, nullptr}, kind);
      CHECK(same_bits(y.data(), expected.data(), y.size() * sizeof(float)));
    });
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i])) continue;
      const double want = exact(kind, x[i]);
      worst = std::max(worst, std::abs(expected[i] - want) / std::max(1.0, std::abs(want)));
    }
    INFO("kind " << static_cast<int>(kind) << " worst " << worst);
    CHECK(worst < bound_of(kind));
  }
}

TEST_CASE("activations near zero and in the middle keep their bounds on a fine grid") {
  constexpr int32_t kCount = 400001;
  std::vector<float> x(kCount), y(kCount);
  for (int32_t i = 0; i < kCount; ++i) x[i] = static_cast<float>(i - kCount / 2) * 6e-5f;
  for (const ActivationKind kind : kKinds) {
    reference_of(activation_kernels())
        .run({x.data(), kCount, y.data(), kCount, 1, kCount, nullptr}, kind);
    double worst = 0;
    for (int32_t i = 0; i < kCount; ++i) {
      const double want = exact(kind, x[i]);
      worst = std::max(worst, std::abs(y[i] - want) / std::max(1.0, std::abs(want)));
    }
    INFO("kind " << static_cast<int>(kind) << " worst " << worst);
    CHECK(worst < bound_of(kind));
  }
}

TEST_CASE("activations reach their limits for infinite and very large inputs") {
  const float infinity = std::numeric_limits<float>::infinity();
  for_each_variant(activation_kernels(), detect_isa(), [&](const ActivationKernel& kernel) {
    INFO(kernel.name);
    float x[4] = {infinity, -infinity, 3e38f, -3e38f}, y[4];
    const RowsArgs args{x, 4, y, 4, 1, 4, nullptr};
    for (const ActivationKind kind : {ActivationKind::gelu_erf, ActivationKind::gelu_tanh,
                                      ActivationKind::silu, ActivationKind::gelu_sigmoid}) {
      kernel.run(args, kind);
      CHECK(y[0] == infinity);
      CHECK(std::abs(y[1]) < 2e-8f);
      CHECK(y[2] == 3e38f);
      CHECK(std::abs(y[3]) < 2e-8f);
    }
    kernel.run(args, ActivationKind::tanh);
    CHECK(y[0] == 1.0f);
    CHECK(y[1] == -1.0f);
    kernel.run(args, ActivationKind::sigmoid);
    CHECK(y[0] == 1.0f);
    CHECK(y[1] < 1e-37f);
  });
}
