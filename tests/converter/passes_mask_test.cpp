#include <cmath>
#include <limits>

#include <catch2/generators/catch_generators.hpp>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

namespace {

constexpr int64_t kBatch = 2, kHeads = 2, kRows = 6, kKeys = 8, kWidth = 4;

/// Attention over graph inputs q, k, v with `mask` applied to its scores.
template <class Mask>
PassedGraph pass_masked(Mask mask, int64_t queries = kRows, int64_t keys = kKeys) {
  GraphBuilder b;
  const ValueId q = b.input("q", {kBatch, queries, kHeads * kWidth});
  const ValueId k = b.input("k", {kBatch, keys, kHeads * kWidth});
  const ValueId v = b.input("v", {kBatch, keys, kHeads * kWidth});
  const auto heads = [&](ValueId x, int64_t rows, std::vector<int64_t> perm) {
    return b.transpose(b.reshape(x, {kBatch, rows, kHeads, kWidth}), std::move(perm));
  };
  const ValueId scores =
      b.node("MatMul", {heads(q, queries, {0, 2, 1, 3}), heads(k, keys, {0, 2, 3, 1})});
  const ValueId weights = b.node("Softmax", {mask(b, scores)}, {{"axis", int64_t{-1}}});
  const ValueId y = b.node("MatMul", {weights, heads(v, keys, {0, 2, 1, 3})});
  return pass_all(
      b.finish(b.reshape(b.transpose(y, {0, 2, 1, 3}), {kBatch, queries, kHeads * kWidth})));
}

/// Hides keys after query + offset, and those `window` or more before it (0: none).
std::vector<float> causal(int64_t queries, int64_t keys, int64_t offset, float hidden,
                          int64_t window = 0) {
  std::vector<float> mask;
  for (int64_t t = 0; t < queries; ++t) {
    for (int64_t s = 0; s < keys; ++s) {
      const bool seen = s <= t + offset && (window == 0 || s > t + offset - window);
      mask.push_back(seen ? 0.0f : hidden);
    }
  }
  return mask;
}

}  // namespace

TEST_CASE("a constant mask that hides later keys becomes `causal`, however it is given") {
  const float hidden = GENERATE(-1e4f, -1e9f, std::numeric_limits<float>::lowest(),
                                -std::numeric_limits<float>::infinity());
  const auto check = [](const PassedGraph& passed) {
    CHECK(passed.nodes() == 1);
    CHECK(passed.first("Attention").int_or("causal", 0) == 1);
    CHECK(passed.first("Attention").int_or("window", 0) == 0);
    CHECK(passed.first("Attention").inputs.size() == 3);
  };
  SECTION("added") {
    check(pass_masked(
        [&](GraphBuilder& b, ValueId scores) {
          return b.node("Add", {scores, b.floats({1, 1, 6, 6}, causal(6, 6, 0, hidden))});
        },
        6, 6));
  }
  SECTION("Where'd, scores last") {
    check(pass_masked(
        [&](GraphBuilder& b, ValueId scores) {
          std::vector<int64_t> later;
          for (float m : causal(6, 6, 0, 1.0f)) later.push_back(m != 0.0f);
          return b.node("Where", {b.booleans({6, 6}, later), b.scalar(hidden), scores});
        },
        6, 6));
  }
  SECTION("Where'd, scores first, fewer queries than keys") {
    check(pass_masked([&](GraphBuilder& b, ValueId scores) {
      std::vector<int64_t> seen;
      for (float m : causal(kRows, kKeys, 2, 1.0f)) seen.push_back(m == 0.0f);
      return b.node("Where", {b.booleans({1, 1, kRows, kKeys}, seen), scores, b.scalar(hidden)});
    }));
  }
}

TEST_CASE("a causal mask over the last few keys becomes `causal` with a window") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    return b.node("Add", {scores, b.floats({kRows, kKeys}, causal(kRows, kKeys, 2, -1e9f, 3))});
  });
  CHECK(passed.first("Attention").int_or("causal", 0) == 1);
  CHECK(passed.first("Attention").int_or("window", 0) == 3);
}

TEST_CASE("a mask aligned at the first key is kept as it is where keys outnumber queries") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    return b.node("Add", {scores, b.floats({kRows, kKeys}, causal(kRows, kKeys, 0, -1e9f))});
  });
  CHECK(passed.first("Attention").int_or("causal", 0) == 0);
  CHECK(passed.first("Attention").inputs.size() == 4);
}

TEST_CASE("a mask of zeros vanishes") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    return b.node("Add", {scores, b.floats({1, 1, 1, kKeys}, std::vector<float>(kKeys, 0.0f))});
  });
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Attention").inputs.size() == 3);
}

TEST_CASE("a bias per head and a computed mask are added up and handed to the Attention") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    const ValueId kept = b.input("kept", {kBatch, 1, 1, kKeys});
    const ValueId hidden = b.node("Mul", {b.node("Sub", {b.scalar(1.0f), kept}), b.scalar(-3.0f)});
    const ValueId biased = b.node("Add", {b.random({1, kHeads, kRows, kKeys}), scores});
    return b.node("Add", {biased, hidden});
  });
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.first("Attention").inputs.size() == 4);
}

TEST_CASE("a factor after the mask scales the mask too") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    const ValueId biased = b.node("Add", {scores, b.random({kRows, kKeys})});
    return b.node("Mul", {biased, b.scalar(0.3f)});
  });
  CHECK(passed.nodes() == 1);
  CHECK(std::fabs(passed.first("Attention").float_or("scale", 0) - 0.3f) < 1e-6f);
}

TEST_CASE("a condition that is computed becomes a mask that is computed") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    const ValueId seen = b.input("seen", {kBatch, 1, kRows, kKeys}, graph::DType::boolean);
    return b.node("Where", {seen, scores, b.scalar(-1e9f)});
  });
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("Where") == 1);
}

TEST_CASE("a Where that puts an ordinary value in place of scores is no mask") {
  const PassedGraph passed = pass_masked([&](GraphBuilder& b, ValueId scores) {
    const ValueId seen = b.input("seen", {kBatch, 1, kRows, kKeys}, graph::DType::boolean);
    return b.node("Where", {seen, scores, b.scalar(-1.0f)});
  });
  CHECK(passed.fused("Attention") == 0);
  CHECK(passed.says("does not put a very low constant"));
}
