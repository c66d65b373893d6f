#include <catch2/generators/catch_generators.hpp>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;
using Ints = std::vector<int64_t>;

TEST_CASE("a patch embedding is Patches and a Linear, without a transpose") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 16, 16});
  const ValueId y =
      b.node("Conv", {x, b.random({24, 3, 4, 4}, 0.1f), b.random({24})}, {{"strides", Ints{4, 4}}});
  const ValueId rows = b.transpose(b.reshape(y, {1, 24, 16}), {0, 2, 1});
  const PassedGraph passed = pass_all(b.finish(b.node("Add", {rows, b.random({1, 16, 24})})));
  CHECK(passed.nodes() == 2);
  CHECK(passed.fused("Patches") == 1);
  CHECK(passed.fused("Linear") == 1);
}

TEST_CASE("a convolution with kernel one is a Linear over pixels or frames") {
  GraphBuilder b;
  SECTION("pixels") {
    const ValueId x = b.input("x", {1, 16, 5, 6});
    const ValueId y = b.node("Conv", {x, b.random({24, 16, 1, 1}), b.random({24})});
    const ValueId rows = b.transpose(y, {0, 2, 3, 1});
    const PassedGraph passed = pass_all(b.finish(rows));
    CHECK(passed.fused("Linear") == 1);
    CHECK(passed.general("Transpose") == 1);
  }
  SECTION("frames, every second one") {
    const ValueId x = b.input("x", {1, 16, 9});
    const ValueId y =
        b.node("Conv", {b.transpose(b.transpose(x, {0, 2, 1}), {0, 2, 1}), b.random({24, 16, 1})},
               {{"strides", Ints{2}}});
    const PassedGraph passed = pass_all(b.finish(y));
    CHECK(passed.fused("FramesLinear") == 1);
  }
}

TEST_CASE("convolutions over frames become FramesLinear, and lose all transposes but one") {
  GraphBuilder b;
  const ValueId mel = b.input("mel", {1, 10, 30});
  const auto gelu = [&](ValueId x) {
    const ValueId erf = b.node("Erf", {b.node("Div", {x, b.scalar(1.41421356f)})});
    const ValueId product = b.node("Mul", {x, b.node("Add", {erf, b.scalar(1.0f)})});
    return b.node("Mul", {product, b.scalar(0.5f)});
  };
  const ValueId a =
      gelu(b.node("Conv", {mel, b.random({16, 10, 3}), b.random({16})}, {{"pads", Ints{1, 1}}}));
  const ValueId c = gelu(b.node("Conv", {a, b.random({16, 16, 3}), b.random({16})},
                                {{"pads", Ints{1, 1}}, {"strides", Ints{2}}}));
  const ValueId rows = b.transpose(c, {0, 2, 1});
  const PassedGraph passed = pass_all(b.finish(b.node("Add", {rows, b.random({15, 16})})));
  CHECK(passed.fused("FramesLinear") == 2);
  CHECK(passed.general("Transpose") == 1);
  CHECK(passed.nodes() == 3);
}

TEST_CASE("filters over one channel are a SignalLinear") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 400});
  const Ints pads = GENERATE(Ints{0, 0}, Ints{8, 8});
  const ValueId y = b.node("Conv", {b.reshape(x, {1, 1, 400}), b.random({20, 1, 32})},
                           {{"strides", Ints{16}}, {"pads", pads}});
  const PassedGraph passed = pass_all(b.finish(b.transpose(b.node("Relu", {y}), {0, 2, 1})));
  CHECK(passed.fused("SignalLinear") == 1);
  CHECK(passed.general("Transpose") == 0);
  CHECK(passed.first("SignalLinear").string_or("activation", "") == "Relu");
}

TEST_CASE("separable blocks with residuals run channels last from end to end") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 12, 16});
  ValueId y = b.transpose(b.linear(x, 16), {0, 2, 1});
  for (int block = 0; block < 2; ++block) {
    const ValueId depthwise = b.node("Conv", {y, b.random({16, 1, 5}), b.random({16})},
                                     {{"group", int64_t{16}}, {"pads", Ints{2, 2}}});
    const ValueId pointwise =
        b.node("Conv", {b.node("Relu", {depthwise}), b.random({16, 16, 1}), b.random({16})});
    y = b.node("Relu", {b.node("Add", {pointwise, y})});
  }
  const ValueId mean = b.node("ReduceMean", {y}, {{"axes", Ints{2}}, {"keepdims", int64_t{0}}});
  const PassedGraph passed = pass_all(b.finish(mean));
  CHECK(passed.general("Transpose") == 0);
  CHECK(passed.fused("Depthwise") == 2);
  CHECK(passed.fused("Linear") == 3);
  CHECK(passed.general("Add") == 0);
}

TEST_CASE("a BatchNormalization goes into the convolution before it") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 12, 12});
  const int64_t group = GENERATE(1, 3);
  ValueId y = b.node("Conv", {x, b.random({9, 3 / group, 3, 3})},
                     {{"group", group}, {"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}});
  y = b.node("BatchNormalization", {y, b.random({9}, 0.5f, 1.0f), b.random({9}), b.random({9}),
                                    b.random({9}, 0.3f, 1.0f)});
  const PassedGraph passed = pass_all(b.finish(b.node("Relu", {y})));
  const char* op = group == 1 ? "PixelsLinear" : "Conv";
  CHECK(passed.fused(op) == 1);
  CHECK(passed.general("Mul") == 0);
  CHECK(passed.general("Add") == 0);
  CHECK(passed.first(op).string_or("activation", "") == "Relu");
}

TEST_CASE("pools run channels last; one whose last window hangs over stays general") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 11, 11});
  SECTION("fits") {
    const ValueId y =
        b.node("MaxPool", {x}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}});
    const PassedGraph passed = pass_all(b.finish(y));
    CHECK(passed.fused("Pool") == 1);
  }
  SECTION("hangs over") {
    const ValueId y =
        b.node("MaxPool", {x},
               {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}});
    const PassedGraph passed = pass_all(b.finish(y));
    CHECK(passed.general("MaxPool") == 1);
    CHECK(passed.says("over the edge"));
  }
}

TEST_CASE("padding by rule is worked out") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 10});
  const ValueId y = b.node("Conv", {x, b.random({16, 8, 4})},
                           {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{3}}});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("FramesLinear") == 1);
}

TEST_CASE("a layer over frames gathered from a signal is a SignalLinear, the window in it") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 100});
  std::vector<int64_t> places;
  const bool regular = GENERATE(true, false);
  for (int64_t f = 0; f < 7; ++f)
    for (int64_t k = 0; k < 3; ++k) places.push_back(f + k + (f == 5 && !regular ? 1 : 0));
  // 24 taps of 8 samples from sample 4 on: rows of eight, three of which make a frame.
  const ValueId rows = b.reshape(
      b.node("Slice", {x, b.ints({4}), b.ints({92}), b.ints({1})}), {2, 11, 8});
  ValueId frames = b.node("Gather", {rows, b.int_tensor({7, 3}, places)}, {{"axis", int64_t{1}}});
  frames = b.node("Mul", {b.reshape(frames, {2, 7, 24}), b.random({24})});
  const PassedGraph passed = pass_all(b.finish(b.linear(frames, 9)));
  CHECK(passed.fused("SignalLinear") == (regular ? 1 : 0));
  CHECK(passed.general("Gather") == (regular ? 0 : 1));
  CHECK(passed.general("Mul") == (regular ? 0 : 1));
  if (regular) CHECK(passed.first("SignalLinear").int_or("hop", 0) == 8);
  CHECK(passed.says("reads gathered rows that are no frames") == !regular);
}
