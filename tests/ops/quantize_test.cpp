#include "ops/quantize/quantize.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

int32_t padded(int32_t n) { return (n + kQuantizePad - 1) / kQuantizePad * kQuantizePad; }

/// The results of one call, each in memory that ends at a guard page.
struct Quantized {
  int32_t rows, n, group, groups;
  GuardedBuffer<int8_t> q;
  GuardedBuffer<float> scale;

  Quantized(int32_t rows_, int32_t n_, int32_t group_)
      : rows(rows_),
        n(n_),
        group(group_),
        groups(group_ == 0 ? 1 : (n_ + group_ - 1) / group_),
        q(static_cast<size_t>(rows_ * padded(n_))),
        scale(static_cast<size_t>(rows_ * groups)) {
    q.fill_bytes(0x55);
    scale.fill_bytes(0x55);
  }
  QuantizeArgs args(Panel& x, const float* absmax) {
    return {x.memory.data(), x.step, absmax, q.data(), padded(n),
            scale.data(),    groups, rows,   n,        group};
  }
  bool operator==(const Quantized& other) const {
    return same_bits(q.data(), other.q.data(), q.bytes()) &&
           same_bits(scale.data(), other.scale.data(), scale.bytes());
  }
};

}  // namespace

TEST_CASE("every quantise variant gives the reference's bits for rows and groups of every width") {
  SeededRandom random(14);
  for (const int32_t n : row_widths()) {
    const auto rows = static_cast<int32_t>(random.integer(0, 3));
    Panel x(rows, n, static_cast<int32_t>(random.integer(0, 2)));
    x.fill(random, kAllValues[random.integer(0, 4)]);
    const QuantizeKernel& reference = reference_of(quantize_kernels());
    GuardedBuffer<float> known(static_cast<size_t>(rows)), found(static_cast<size_t>(rows));
    reference.absmax({x.memory.data(), x.step, nullptr, 0, rows, n, known.data()});
    for (const int32_t group : {0, 16, 32, 64}) {
      Quantized expected(rows, n, group);
      reference.quantize(expected.args(x, nullptr));
      Panel expected_back(rows, n), back(rows, n);
      const auto dequantize = [&](const QuantizeKernel& kernel, Quantized& from, Panel& to) {
        kernel.dequantize({from.q.data(), padded(n), from.scale.data(), from.groups,
                           to.memory.data(), to.step, rows, n, group});
      };
      dequantize(reference, expected, expected_back);
      for_each_variant(quantize_kernels(), detect_isa(), [&](const QuantizeKernel& kernel) {
        INFO(kernel.name << " n " << n << " group " << group);
        Quantized got(rows, n, group), with_absmax(rows, n, group);
        kernel.quantize(got.args(x, nullptr));
        CHECK(got == expected);
        kernel.quantize(with_absmax.args(x, known.data()));
        CHECK(with_absmax == expected);
        kernel.absmax({x.memory.data(), x.step, nullptr, 0, rows, n, found.data()});
        CHECK(same_bits(found.data(), known.data(), known.bytes()));
        dequantize(kernel, expected, back);
        CHECK(same_bits(back, expected_back));
      });
    }
  }
}

TEST_CASE("a quantised value is within half a step of the original and the largest is 127") {
  SeededRandom random(15);
  for_each_variant(quantize_kernels(), detect_isa(), [&](const QuantizeKernel& kernel) {
    Panel x(1, 250), y(1, 250);
    x.fill(random, Values::mixed);
    Quantized q(1, 250, 64);
    kernel.quantize(q.args(x, nullptr));
    kernel.dequantize({q.q.data(), 256, q.scale.data(), 4, y.row(0), 250, 1, 250, 64});
    for (int32_t i = 0; i < 250; ++i) {
      CHECK(std::abs(y.row(0)[i] - x.row(0)[i]) <= q.scale[i / 64] * 0.50001f);
    }
    for (int32_t g = 0; g < 4; ++g) {
      int largest = 0;
      for (int32_t i = 64 * g; i < 64 * g + 64; ++i) largest = std::max(largest, std::abs(q.q[i]));
      CHECK(largest == 127);
    }
  });
}

TEST_CASE("a row of zeros, or of values too small to divide by, becomes zeros with scale 0") {
  for (const float value : {0.0f, -0.0f, 1e-38f, 1e-31f}) {
    for_each_variant(quantize_kernels(), detect_isa(), [&](const QuantizeKernel& kernel) {
      Panel x(1, 19);
      for (float& v : x.memory) v = value;
      Quantized q(1, 19, 0);
      kernel.quantize(q.args(x, nullptr));
      CHECK(q.scale[0] == 0.0f);
      CHECK(std::all_of(q.q.begin(), q.q.end(), [](int8_t v) { return v == 0; }));
    });
  }
}

TEST_CASE("quantising rounds halves to even and clamps what exceeds a given absmax") {
  for_each_variant(quantize_kernels(), detect_isa(), [&](const QuantizeKernel& kernel) {
    float x[7] = {0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 500.0f, -500.0f}, scale;
    const float absmax = 127.0f;
    int8_t q[16];
    kernel.quantize({x, 7, &absmax, q, 16, &scale, 1, 1, 7, 0});
    const int8_t expected[16] = {0, 2, 2, 0, -2, 127, -127};
    CHECK(scale == 1.0f);
    CHECK(same_bits(q, expected, sizeof q));
  });
}
