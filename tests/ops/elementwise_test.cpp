#include "ops/elementwise/elementwise.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool has_variants(UnaryKind kind) {
  return kind != UnaryKind::logical_not && kind != UnaryKind::is_nan;
}

/// Equal bits, or both NaN.
bool agree(std::span<const float> a, std::span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] != a[i] && b[i] != b[i]) && !same_bits(&a[i], &b[i], sizeof(float))) return false;
  }
  return true;
}

double exact(UnaryKind kind, double x) {
  switch (kind) {
    case UnaryKind::exp:
      return std::exp(x);
    case UnaryKind::log:
      return std::log(x);
    case UnaryKind::sqrt:
      return std::sqrt(x);
    case UnaryKind::rsqrt:
      return 1 / std::sqrt(x);
    case UnaryKind::reciprocal:
      return 1 / x;
    case UnaryKind::erf:
      return std::erf(x);
    case UnaryKind::sin:
      return std::sin(x);
    case UnaryKind::cos:
      return std::cos(x);
    case UnaryKind::tanh:
      return std::tanh(x);
    case UnaryKind::softplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    default:
      return x;
  }
}

/// Largest error of the reference over floats of every size, relative to max(floor, |exact|).
double worst_error(UnaryKind kind, double floor, float lowest, float highest) {
  double worst = 0;
  for (const float x : floats_of_all_sizes(9973)) {
    if (!(x >= lowest && x <= highest)) continue;
    float y;
    reference_of(elementwise_kernels()).unary({&x, &y, 1}, kind);
    const double want = exact(kind, x);
    worst = std::max(worst, std::abs(y - want) / std::max(floor, std::abs(want)));
  }
  return worst;
}

}  // namespace

TEST_CASE("every unary variant gives the reference's bits on floats of every size") {
  const std::vector<float> x = floats_of_all_sizes(40009);
  std::vector<float> expected(x.size()), y(x.size());
  for (int k = 0; k <= static_cast<int>(UnaryKind::is_nan); ++k) {
    const auto kind = static_cast<UnaryKind>(k);
    if (!has_variants(kind)) continue;
    const auto n = static_cast<int64_t>(x.size());
    reference_of(elementwise_kernels()).unary({x.data(), expected.data(), n, 0.3f, 0.4f}, kind);
    for_each_variant(elementwise_kernels(), detect_isa(), [&](const ElementwiseKernel& kernel) {
      INFO(kernel.name << " kind " << k);
      kernel.unary({x.data(), y.data(), n, 0.3f, 0.4f}, kind);
      CHECK(agree(y, expected));
    });
  }
}

TEST_CASE("unary, binary, compare and select stay inside runs of every length") {
  SeededRandom random(19);
  for (int32_t n = 0; n <= 70; ++n) {
    const auto count = static_cast<size_t>(n);
    GuardedBuffer<float> a(count), b(count), expected(count), y(count);
    GuardedBuffer<uint8_t> condition(count), expected_truth(count), truth(count);
    const Values values = kAllValues[n % 5];
    for (float& v : a) v = draw(random, values);
    for (float& v : b) v = draw(random, values);
    for (uint8_t& v : condition) v = static_cast<uint8_t>(random.integer(0, 1));
    if (n > 2) b[1] = a[1];
    const float one = draw(random, values);
    const uint8_t yes = 1;
    struct Form {
      const float *a, *b;
      int32_t a_step, b_step;
    };
    const Form forms[] = {
        {a.data(), b.data(), 1, 1}, {a.data(), &one, 1, 0}, {&one, b.data(), 0, 1}};
    const ElementwiseKernel& reference = reference_of(elementwise_kernels());
    for_each_variant(elementwise_kernels(), detect_isa(), [&](const ElementwiseKernel& kernel) {
      INFO(kernel.name << " n " << n);
      for (int k = 0; k <= static_cast<int>(UnaryKind::is_nan); ++k) {
        if (!has_variants(static_cast<UnaryKind>(k))) continue;
        reference.unary({a.data(), expected.data(), n, 0.1f, 0.5f}, static_cast<UnaryKind>(k));
        kernel.unary({a.data(), y.data(), n, 0.1f, 0.5f}, static_cast<UnaryKind>(k));
        CHECK(agree(y.span(), expected.span()));
      }
      for (const Form& f : forms) {
        for (int k = 0; k <= static_cast<int>(BinaryKind::mod); ++k) {
          const auto kind = static_cast<BinaryKind>(k);
          reference.binary({f.a, f.b, f.a_step, f.b_step, expected.data(), n}, kind);
          kernel.binary({f.a, f.b, f.a_step, f.b_step, y.data(), n}, kind);
          INFO("binary " << k);
          CHECK(agree(y.span(), expected.span()));
        }
        for (int k = static_cast<int>(BinaryKind::equal);
             k <= static_cast<int>(BinaryKind::greater_equal); ++k) {
          const auto kind = static_cast<BinaryKind>(k);
          reference.compare({f.a, f.b, f.a_step, f.b_step, expected_truth.data(), n}, kind);
          kernel.compare({f.a, f.b, f.a_step, f.b_step, truth.data(), n}, kind);
          CHECK(same_bits(truth.data(), expected_truth.data(), count));
        }
        for (const int32_t step : {0, 1}) {
          const uint8_t* c = step == 0 ? &yes : condition.data();
          reference.select({c, f.a, f.b, step, f.a_step, f.b_step, expected.data(), n});
          kernel.select({c, f.a, f.b, step, f.a_step, f.b_step, y.data(), n});
          CHECK(same_bits(y.data(), expected.data(), y.bytes()));
        }
      }
    });
  }
}

TEST_CASE("adding residual rows repeats them and reports the largest value") {
  SeededRandom random(20);
  for (const int32_t n : row_widths()) {
    const auto rows = static_cast<int32_t>(random.integer(0, 6));
    const auto r_rows = static_cast<int32_t>(random.integer(1, 4));
    Panel x(rows, n, 1), r(r_rows, n, 2), expected(rows, n), y(rows, n);
    x.fill(random, Values::normal);
    r.fill(random, Values::mixed);
    const auto count = static_cast<size_t>(rows);
    GuardedBuffer<float> expected_absmax(count), absmax(count);
    const auto args = [&](Panel& to, float* largest) {
      return AddRowsArgs{{x.memory.data(), x.step, to.memory.data(), to.step, rows, n, largest},
                         r.memory.data(),
                         r.step,
                         5,
                         r_rows};
    };
    reference_of(elementwise_kernels()).add_rows(args(expected, expected_absmax.data()));
    for (int32_t m = 0; m < rows; ++m) {
      CHECK(expected.row(m)[n - 1] == x.row(m)[n - 1] + r.row((5 + m) % r_rows)[n - 1]);
    }
    for_each_variant(elementwise_kernels(), detect_isa(), [&](const ElementwiseKernel& kernel) {
      INFO(kernel.name << " n " << n);
      kernel.add_rows(args(y, absmax.data()));
      CHECK(same_bits(y, expected));
      CHECK(same_bits(absmax.data(), expected_absmax.data(), absmax.bytes()));
    });
  }
}

TEST_CASE("functions of one value stay within their stated errors") {
  CHECK(worst_error(UnaryKind::exp, 1e-37, -86.9f, 88.72f) < 2e-7);
  CHECK(worst_error(UnaryKind::log, 1e-6, 1e-37f, 3e38f) < 2e-7);
  CHECK(worst_error(UnaryKind::erf, 1e-30, -10.0f, 10.0f) < 2.5e-7);
  CHECK(worst_error(UnaryKind::tanh, 1e-30, -20.0f, 20.0f) < 4e-7);
  CHECK(worst_error(UnaryKind::sin, 1e-30, -3e38f, 3e38f) < 1.2e-7);
  CHECK(worst_error(UnaryKind::cos, 1e-30, -3e38f, 3e38f) < 1.2e-7);
  CHECK(worst_error(UnaryKind::softplus, 1, -100.0f, 100.0f) < 2.5e-7);
  CHECK(worst_error(UnaryKind::sqrt, 1e-37, 1e-37f, 3e38f) < 0.6e-7);
  CHECK(worst_error(UnaryKind::reciprocal, 1e-37, 1e-37f, 3e37f) < 0.6e-7);
}

TEST_CASE("pow agrees with libm to one unit in the last place, special cases included") {
  SeededRandom random(21);
  const float specials[] = {0.0f, -0.0f, 1.0f,  -1.0f,     2.0f,       -2.0f,  0.5f,       -0.5f,
                            3.0f, -3.0f, 1e20f, kInfinity, -kInfinity, 1e-20f, 16777217.0f};
  const auto check = [](float a, float b) {
    float y;
    reference_of(elementwise_kernels()).binary({&a, &b, 1, 1, &y, 1}, BinaryKind::pow);
    const auto want = static_cast<float>(std::pow(double{a}, double{b}));
    INFO(a << " ^ " << b << " = " << y << ", want " << want);
    if (want != want) {
      CHECK(y != y);
    } else {
      const bool near = y == want || std::abs(y - want) <= 1.2e-7f * std::abs(want);
      CHECK((near && std::signbit(y) == std::signbit(want)));
    }
  };
  for (const float a : specials) {
    for (const float b : specials) check(a, b);
  }
  for (int i = 0; i < 20000; ++i) {
    check(std::ldexp(random.uniform(0.5f, 1.0f), static_cast<int>(random.integer(-30, 30))),
          random.uniform(-4.0f, 4.0f));
  }
}

TEST_CASE("integers wrap, divide towards zero and take remainders with the sign of the divisor") {
  const auto compute = [](int64_t a, int64_t b, BinaryKind kind) {
    int64_t y;
    binary_i64({&a, &b, 1, 1, &y, 1}, kind);
    return y;
  };
  CHECK(compute(INT64_MAX, 1, BinaryKind::add) == INT64_MIN);
  CHECK(compute(-7, 2, BinaryKind::div) == -3);
  CHECK(compute(-7, 2, BinaryKind::mod) == 1);
  CHECK(compute(7, -2, BinaryKind::mod) == -1);
  CHECK(compute(7, 0, BinaryKind::div) == 0);
  CHECK(compute(7, 0, BinaryKind::mod) == 0);
  CHECK(compute(INT64_MIN, -1, BinaryKind::div) == INT64_MIN);
  CHECK(compute(INT64_MIN, -1, BinaryKind::mod) == 0);
  CHECK(compute(-3, 3, BinaryKind::pow) == -27);
  CHECK(compute(2, -1, BinaryKind::pow) == 0);
  CHECK(compute(3, 9, BinaryKind::min) == 3);
  const int64_t x[4] = {-2, 0, 3, INT64_MIN};
  int64_t y[4];
  unary_i64(x, y, 4, UnaryKind::abs);
  CHECK((y[0] == 2 && y[1] == 0 && y[2] == 3 && y[3] == INT64_MIN));
  unary_i64(x, y, 4, UnaryKind::sign);
  CHECK((y[0] == -1 && y[1] == 0 && y[2] == 1 && y[3] == -1));
}

TEST_CASE("booleans combine and select moves elements of every width") {
  const uint8_t a[4] = {0, 0, 1, 1}, b[4] = {0, 1, 0, 1};
  uint8_t y[4];
  binary_bool({a, b, 1, 1, y, 4}, BinaryKind::logical_xor);
  CHECK((y[0] == 0 && y[1] == 1 && y[2] == 1 && y[3] == 0));
  binary_bool({a, b, 1, 0, y, 4}, BinaryKind::logical_or);
  CHECK((y[0] == 0 && y[1] == 0 && y[2] == 1 && y[3] == 1));
  logical_not(a, y, 4);
  CHECK((y[0] == 1 && y[3] == 0));
  const int64_t wide[4] = {10, 20, 30, 40}, zero = 0;
  int64_t chosen[4];
  select_bytes({b, wide, &zero, 1, 1, 0, chosen, 4}, 8);
  CHECK((chosen[0] == 0 && chosen[1] == 20 && chosen[2] == 0 && chosen[3] == 40));
  const float values[3] = {1.0f, std::nanf(""), kInfinity};
  is_nan(values, y, 3);
  CHECK((y[0] == 0 && y[1] == 1 && y[2] == 0));
}
