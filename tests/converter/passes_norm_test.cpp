#include <catch2/generators/catch_generators.hpp>
#include <cmath>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

namespace {

constexpr int64_t kWidth = 24;

ValueId row_mean(GraphBuilder& b, ValueId x) {
  return b.node("ReduceMean", {x}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
}

/// mean(d^2) + epsilon
ValueId variance(GraphBuilder& b, ValueId d, bool by_pow) {
  const ValueId square = by_pow ? b.node("Pow", {d, b.scalar(2.0f)}) : b.node("Mul", {d, d});
  return b.node("Add", {row_mean(b, square), b.scalar(1e-5f)});
}

ValueId affine(GraphBuilder& b, ValueId x) {
  const ValueId scaled = b.node("Mul", {x, b.random({kWidth}, 0.5f, 1.0f)});
  return b.node("Add", {scaled, b.random({kWidth})});
}

void check_is(const PassedGraph& passed, const std::string& kind, size_t operands) {
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Norm").string_or("kind", "") == kind);
  CHECK(passed.first("Norm").inputs.size() == operands);
}

}  // namespace

TEST_CASE("a layer norm is one Norm in all its spellings") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 7, kWidth});
  SECTION("the node") {
    const ValueId y =
        b.node("LayerNormalization", {x, b.random({kWidth}, 0.5f, 1.0f), b.random({kWidth})},
               {{"axis", int64_t{-1}}, {"epsilon", 1e-6f}});
    check_is(pass_all(b.finish(y)), "layer", 3);
  }
  SECTION("Pow, Sqrt, Div") {
    const ValueId d = b.node("Sub", {x, row_mean(b, x)});
    const ValueId n = b.node("Div", {d, b.node("Sqrt", {variance(b, d, true)})});
    check_is(pass_all(b.finish(affine(b, n))), "layer", 3);
  }
  SECTION("Mul, Reciprocal of Sqrt, the difference taken twice") {
    const ValueId d = b.node("Sub", {x, row_mean(b, x)});
    const ValueId d2 = b.node("Sub", {x, row_mean(b, x)});
    const ValueId r = b.node("Reciprocal", {b.node("Sqrt", {variance(b, d, false)})});
    check_is(pass_all(b.finish(affine(b, b.node("Mul", {d2, r})))), "layer", 3);
  }
  SECTION("Pow -0.5") {
    const ValueId d = b.node("Sub", {x, row_mean(b, x)});
    const ValueId r = b.node("Pow", {variance(b, d, true), b.scalar(-0.5f)});
    check_is(pass_all(b.finish(affine(b, b.node("Mul", {r, d})))), "layer", 3);
  }
  SECTION("1 / Sqrt, without scale and shift") {
    const ValueId d = b.node("Sub", {x, row_mean(b, x)});
    const ValueId r = b.node("Div", {b.scalar(1.0f), b.node("Sqrt", {variance(b, d, true)})});
    check_is(pass_all(b.finish(b.node("Mul", {d, r}))), "layer", 2);
  }
}

TEST_CASE("a layer norm over two dimensions is a Norm over their product") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 3, 4, 5});
  const ValueId y =
      b.node("LayerNormalization", {x, b.random({4, 5}, 0.5f, 1.0f), b.random({4, 5})},
             {{"axis", int64_t{-2}}});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("Norm") == 1);
  CHECK(passed.general("Reshape") == 2);
}

TEST_CASE("an RMS norm is one Norm, whole or decomposed") {
  GraphBuilder b(23);
  const ValueId x = b.input("x", {2, 7, kWidth});
  const ValueId gamma = b.random({kWidth}, 0.5f, 1.0f);
  const auto mean_of_squares = [&](bool by_pow) {
    const ValueId square = by_pow ? b.node("Pow", {x, b.scalar(2.0f)}) : b.node("Mul", {x, x});
    const ValueId mean = b.node("ReduceMean", {square, b.ints({-1})}, {{"keepdims", int64_t{1}}});
    return b.node("Add", {mean, b.scalar(1e-6f)});
  };
  SECTION("the node") {
    check_is(pass_all(b.finish(b.node("RMSNormalization", {x, gamma}, {{"axis", int64_t{-1}}}))),
             "rms", 2);
  }
  SECTION("x / sqrt, then the scale") {
    const ValueId n = b.node("Div", {x, b.node("Sqrt", {mean_of_squares(true)})});
    check_is(pass_all(b.finish(b.node("Mul", {n, gamma}))), "rms", 2);
  }
  SECTION("scale (x (1 / sqrt))") {
    const ValueId r = b.node("Reciprocal", {b.node("Sqrt", {mean_of_squares(false)})});
    check_is(pass_all(b.finish(b.node("Mul", {gamma, b.node("Mul", {x, r})}))), "rms", 2);
  }
}

TEST_CASE("a skip norm is a sum and a Norm, and its sum can be used") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 5, kWidth}), skip = b.input("skip", {1, 5, kWidth});
  const std::vector<ValueId> operands = {x, skip, b.random({kWidth}, 0.5f, 1.0f),
                                         b.random({kWidth}), b.random({kWidth})};
  const auto outputs =
      b.nodes("com.microsoft:SkipLayerNormalization", operands, {}, {true, false, false, true});
  b.output(outputs[0]);
  b.output(outputs[3]);
  const PassedGraph passed = pass_all(b.finish());
  CHECK(passed.fused("Norm") == 1);
  CHECK(passed.general("Add") == 2);
}

TEST_CASE("what divides by another tensor's deviation is no norm, and the report says so") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 7, kWidth}), z = b.input("z", {2, 7, kWidth});
  const ValueId root = b.node("Sqrt", {variance(b, x, false)});
  const PassedGraph passed = pass_all(b.finish(b.node("Div", {z, root})));
  CHECK(passed.fused("Norm") == 0);
  CHECK(passed.says("no norm"));
}

TEST_CASE("a norm over channels that come first is fused once they come last") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 16});
  const ValueId t = b.transpose(b.linear(x, kWidth), {0, 2, 1});
  const std::vector<int64_t> channel = {1};
  const auto mean = [&](ValueId v) {
    return b.node("ReduceMean", {v}, {{"axes", channel}, {"keepdims", int64_t{1}}});
  };
  const ValueId d = b.node("Sub", {t, mean(t)});
  const ValueId v = b.node("Add", {mean(b.node("Mul", {d, d})), b.scalar(1e-5f)});
  const ValueId n = b.node("Div", {d, b.node("Sqrt", {v})});
  const ValueId y = b.node("Mul", {n, b.random({kWidth, 1}, 0.5f, 1.0f)});
  const PassedGraph passed = pass_all(b.finish(b.transpose(y, {0, 2, 1})));
  CHECK(passed.nodes() == 2);
  CHECK(passed.fused("Norm") == 1);
}

TEST_CASE("TensorFlow's layer norm, a product and a sum that hold the mean, is a Norm") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 7, kWidth});
  const ValueId mean = row_mean(b, x);
  const ValueId d = b.node("Sub", {x, mean});
  const ValueId inverse = b.node("Reciprocal", {b.node("Sqrt", {variance(b, d, false)})});
  const ValueId gamma = b.random({1, 1, kWidth}, 0.5f, 1.0f), beta = b.random({1, 1, kWidth});
  SECTION("-mean first") {
    const ValueId f = b.node("Mul", {inverse, gamma});
    const ValueId shift = b.node("Add", {b.node("Mul", {b.node("Neg", {mean}), f}), beta});
    check_is(pass_all(b.finish(b.node("Add", {b.node("Mul", {x, f}), shift}))), "layer", 3);
  }
  SECTION("beta - mean f") {
    const ValueId f = b.node("Mul", {inverse, gamma});
    const ValueId shift = b.node("Sub", {beta, b.node("Mul", {mean, f})});
    check_is(pass_all(b.finish(b.node("Add", {shift, b.node("Mul", {f, x})}))), "layer", 3);
  }
  SECTION("without beta and gamma") {
    const ValueId shift = b.node("Neg", {b.node("Mul", {mean, inverse})});
    check_is(pass_all(b.finish(b.node("Add", {b.node("Mul", {x, inverse}), shift}))), "layer", 3);
  }
  SECTION("the mean added where it should be taken away is none") {
    const ValueId f = b.node("Mul", {inverse, gamma});
    const ValueId shift = b.node("Add", {b.node("Mul", {mean, f}), beta});
    const PassedGraph passed = pass_all(b.finish(b.node("Add", {b.node("Mul", {x, f}), shift})));
    CHECK(passed.fused("Norm") == 0);
  }
}

TEST_CASE("A gamma that multiplies the inverse deviation first belongs to the Norm") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 7, kWidth});
  const ValueId inverse = b.node("Reciprocal", {b.node("Sqrt", {variance(b, x, false)})});
  const ValueId f = b.node("Mul", {inverse, b.random({kWidth}, 0.5f, 1.0f)});
  check_is(pass_all(b.finish(b.node("Mul", {x, f}))), "rms", 2);
}

TEST_CASE("a layer norm whose means drop their dimensions and are reshaped back is a Norm") {
  GraphBuilder b;
  const int64_t rows = GENERATE(7, kWidth);  // as many as columns: only shapes tell them apart
  const ValueId x = b.input("x", {1, rows, kWidth});
  const auto mean = [&](ValueId of) {
    return b.node("ReduceMean", {of, b.ints({0, 2})}, {{"keepdims", int64_t{0}}});
  };
  const bool aligned = GENERATE(true, false);
  if (!aligned && rows != kWidth) return;
  const auto apart = [&](ValueId of) { return aligned ? b.reshape(of, {1, rows, 1}) : of; };
  const ValueId m = mean(x), centred = b.node("Sub", {x, b.reshape(m, {1, rows, 1})});
  const ValueId variance = mean(b.node("Mul", {centred, centred}));
  const ValueId deviation = b.node("Sqrt", {b.node("Add", {variance, b.scalar(1e-5f)})});
  const ValueId factor = b.node("Reciprocal", {deviation});
  const ValueId shift = b.node("Sub", {b.scalar(0.0f), b.node("Mul", {factor, m})});
  ValueId y = b.node("Add", {b.node("Mul", {x, apart(factor)}), apart(shift)});
  y = b.node("Add", {b.node("Mul", {y, b.random({kWidth}, 0.5f, 1.0f)}), b.random({kWidth})});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("Norm") == (aligned ? 1 : 0));
  CHECK(passed.general("Mul") == (aligned ? 0 : 4));
}

TEST_CASE("Keras' layer norm by way of batch normalisation is a Norm, whatever scales it later") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 20});
  const ValueId turned = b.transpose(b.reshape(x, {1, 6, 20, 1}), {0, 2, 3, 1});  // [1,20,1,6]
  const bool squeezed = GENERATE(true, false);
  const auto mean = [&](ValueId of) {
    return b.node("ReduceMean", {of, b.ints({0, 1, 2})}, {{"keepdims", int64_t{squeezed ? 0 : 1}}});
  };
  const ValueId m = mean(turned), centred = b.node("Sub", {turned, m});
  const ValueId variance = mean(b.node("Mul", {centred, centred}));
  const ValueId deviation = b.node("Sqrt", {b.node("Add", {variance, b.scalar(1e-3f)})});
  ValueId factor = b.node("Reciprocal", {deviation});
  factor = b.node("Mul", {factor, b.floats({6}, std::vector<float>(6, 1.0f))});
  const ValueId shift =
      b.node("Sub", {b.floats({6}, std::vector<float>(6, 0.0f)), b.node("Mul", {m, factor})});
  const ValueId normal = b.node("Add", {b.node("Mul", {turned, factor}), shift});
  ValueId y = b.reshape(b.transpose(normal, {0, 3, 1, 2}), {1, 6, 20});
  y = b.node("Add", {b.node("Mul", {y, b.random({20}, 0.5f, 1.0f)}), b.random({20})});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("Norm") == 1);
  CHECK(passed.general("Mul") == 0);
  CHECK(passed.general("Transpose") == 0);
  CHECK(std::fabs(passed.first("Norm").float_or("epsilon", 0) - 1e-3f) < 1e-9f);
}
