#include "converter/quantize/quantize_weights.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/quantize/precision.h"
#include "tests/support/seeded_random.h"

using heed::ConvertError;
using heed::PackedLinear;
using heed::QuantizedRows;
using heed::graph::float_constant;
using heed::test::SeededRandom;

namespace {

heed::graph::Constant random_weights(int64_t rows, int64_t width, uint64_t seed) {
  SeededRandom random(seed);
  std::vector<float> values(static_cast<size_t>(rows * width));
  for (float& v : values) v = random.normal();
  return float_constant({rows, width}, std::move(values));
}

}  // namespace

TEST_CASE("Quantised weights stay in [-127, 127] and within half a step of what was given") {
  const auto weights = random_weights(7, 33, 1);
  const QuantizedRows rows = heed::quantize_rows(weights, "w");
  REQUIRE(rows.rows == 7);
  REQUIRE(rows.width == 33);
  for (int64_t n = 0; n < 7; ++n) {
    const float scale = rows.scale[static_cast<size_t>(n)];
    REQUIRE(scale > 0);
    for (int64_t k = 0; k < 33; ++k) {
      const auto i = static_cast<size_t>(n * 33 + k);
      const float q = rows.q[i];
      REQUIRE(std::fabs(q) <= 127);
      if (std::fabs(q) < 127) REQUIRE(std::fabs(weights.f32[i] - q * scale) <= 0.501f * scale);
    }
  }
}

TEST_CASE("Searched scales are never worse than those of the largest value") {
  const auto weights = random_weights(16, 192, 2);
  const QuantizedRows rows = heed::quantize_rows(weights, "w");
  for (size_t n = 0; n < 16; ++n) {
    float absmax = 0;
    double searched = 0, plain = 0;
    for (size_t k = 0; k < 192; ++k) absmax = std::max(absmax, std::fabs(weights.f32[n * 192 + k]));
    for (size_t k = 0; k < 192; ++k) {
      const float v = weights.f32[n * 192 + k], step = absmax / 127;
      const double a = v - rows.scale[n] * rows.q[n * 192 + k];
      const double b = v - step * std::nearbyint(v / step);
      searched += a * a;
      plain += b * b;
    }
    CHECK(searched <= plain * 1.000001);
  }
}

TEST_CASE("A row of zeros becomes zeros with scale 0, and its neighbours are not disturbed") {
  auto weights = random_weights(3, 16, 3);
  for (size_t k = 16; k < 32; ++k) weights.f32[k] = 0;
  const QuantizedRows rows = heed::quantize_rows(weights, "w");
  CHECK(rows.scale[1] == 0);
  for (size_t k = 16; k < 32; ++k) CHECK(rows.q[k] == 0);
  CHECK(rows.scale[0] > 0);
  CHECK(rows.scale[2] > 0);
}

TEST_CASE("Denormal and huge weights give finite scales") {
  auto weights = float_constant({2, 16}, std::vector<float>(32, 1e-40f));
  for (size_t k = 16; k < 32; ++k) weights.f32[k] = 3e38f;
  const QuantizedRows rows = heed::quantize_rows(weights, "w");
  for (const float scale : rows.scale) CHECK(std::isfinite(scale));
  CHECK(rows.q[16] == 127);
}

TEST_CASE("Weights that are NaN or infinite are refused by the tensor's name") {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    auto weights = random_weights(2, 16, 4);
    weights.f32[17] = bad;
    try {
      heed::quantize_rows(weights, "encoder.q.weight");
      FAIL("accepted");
    } catch (const ConvertError& error) {
      const std::string text = error.what();
      CHECK(text.find("encoder.q.weight") != std::string::npos);
      CHECK(text.find("17") != std::string::npos);
    }
    CHECK_THROWS_AS(heed::pack_float(weights, "w"), ConvertError);
  }
}

TEST_CASE("Frames are padded row by row, and every sum is over one group") {
  // Window of 3 rows of 20 values: each takes 32 bytes of x.
  const auto weights = random_weights(5, 60, 5);
  const QuantizedRows rows = heed::quantize_rows(weights, "w");
  const PackedLinear packed = heed::pack_int8(rows, 3, 0);
  CHECK(packed.n_padded == 16);
  CHECK(packed.k_padded == 96);
  CHECK(packed.groups == 3);
  REQUIRE(packed.sum.size() == 3 * 16);
  for (size_t g = 0; g < 3; ++g) {
    for (size_t n = 0; n < 16; ++n) {
      int32_t expected = 0;
      for (size_t k = 0; n < 5 && k < 20; ++k) expected += rows.q[n * 60 + g * 20 + k];
      CHECK(packed.sum[g * 16 + n] == expected);
    }
  }
  for (size_t n = 5; n < 16; ++n) CHECK(packed.scale[n] == 0);
}

TEST_CASE("Patterns match names with stars and question marks") {
  using heed::glob_match;
  CHECK(glob_match("*", ""));
  CHECK(glob_match("*", "anything"));
  CHECK(glob_match("head*", "head/MatMul"));
  CHECK(glob_match("*/fc?/*", "layer.3/fc1/MatMul"));
  CHECK_FALSE(glob_match("*/fc?/*", "layer.3/fc12/MatMul"));
  CHECK_FALSE(glob_match("head", "head2"));
  CHECK(glob_match("a*b*c", "a-b-b-c"));
  CHECK_FALSE(glob_match("a*b*c", "a-b-b"));
}

TEST_CASE("Weights that were quantised before keep their integers and their scales") {
  SeededRandom random(7);
  heed::graph::Constant weights;
  weights.shape = {40, 96};
  std::vector<int> codes;
  std::vector<float> scales;
  for (int64_t n = 0; n < 40; ++n) {
    // Some rows do not reach 127, as where one scale serves all rows of a tensor.
    const int most = n % 3 == 0 ? 127 : 40 + static_cast<int>(n);
    scales.push_back(random.uniform(0.001f, 0.004f));
    for (int64_t k = 0; k < 96; ++k) {
      const float any = random.uniform(0, static_cast<float>(2 * most));
      const int code = k == 5 ? most : static_cast<int>(any) - most;
      codes.push_back(k == 6 ? 1 : code);  // no divisor is common to all
      weights.f32.push_back(scales.back() * static_cast<float>(codes.back()));
    }
  }
  const QuantizedRows rows = heed::quantize_rows(weights, "w");
  for (size_t i = 0; i < codes.size(); ++i) REQUIRE(rows.q[i] == codes[i]);
  for (size_t n = 0; n < scales.size(); ++n)
    CHECK(std::fabs(rows.scale[n] - scales[n]) <= 1.2e-7f * scales[n]);
}
