#include <catch2/generators/catch_generators.hpp>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

TEST_CASE("MatMul and Add of a bias, in either order, are one Linear") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 16});
  const ValueId w = b.random({16, 24}), bias = b.random({24});
  const bool bias_first = GENERATE(false, true);
  const ValueId y = b.node("MatMul", {x, w});
  const PassedGraph passed =
      pass_all(b.finish(bias_first ? b.node("Add", {bias, y}) : b.node("Add", {y, bias})));
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Linear").inputs.size() == 3);
}

TEST_CASE("Gemm is one Linear with its transposes and factors worked into the weights") {
  GraphBuilder b;
  const int64_t turned = GENERATE(0, 1), turned_x = GENERATE(0, 1);
  const ValueId x = b.input("x", turned_x ? graph::Shape{16, 6} : graph::Shape{6, 16});
  const ValueId w = b.random(turned ? graph::Shape{24, 16} : graph::Shape{16, 24});
  const ValueId y =
      b.node("Gemm", {x, w, b.random({24})},
             {{"transA", turned_x}, {"transB", turned}, {"alpha", 0.5f}, {"beta", 2.0f}});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("Linear") == 1);
  CHECK(passed.nodes() == 1 + turned_x);
}

TEST_CASE("Gemm that adds a matrix is a Linear with that matrix as residual") {
  GraphBuilder b;
  const ValueId x = b.input("x", {6, 16});
  const ValueId y = b.node("Gemm", {x, b.random({16, 24}), b.random({6, 24})});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Linear").inputs.size() == 4);
}

TEST_CASE("a constant factor per output, before or after the bias, goes into the weights") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 16});
  const ValueId y = b.node("MatMul", {x, b.random({16, 24})});
  const ValueId scaled = b.node("Mul", {b.node("Add", {y, b.random({24})}), b.random({1, 1, 24})});
  const PassedGraph passed = pass_all(b.finish(b.node("Div", {scaled, b.scalar(3.0f)})));
  CHECK(passed.nodes() == 1);
}

TEST_CASE("a residual joins the layer that it is added to") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 16});
  SECTION("another tensor, either way round") {
    const bool first = GENERATE(false, true);
    const ValueId y = b.linear(x, 16);
    const PassedGraph passed =
        pass_all(b.finish(first ? b.node("Add", {x, y}) : b.node("Add", {y, x})));
    CHECK(passed.nodes() == 1);
  }
  SECTION("a table of positions") {
    const PassedGraph passed =
        pass_all(b.finish(b.node("Add", {b.linear(x, 16), b.random({1, 5, 16})})));
    CHECK(passed.nodes() == 1);
  }
  SECTION("of two layers, the later one adds") {
    const PassedGraph passed =
        pass_all(b.finish(b.node("Add", {b.linear(x, 16), b.linear(x, 16)})));
    CHECK(passed.nodes() == 2);
    CHECK(passed.fused("Linear") == 2);
  }
  SECTION("not where it repeats along rows that are no prefix") {
    const ValueId other = b.input("other", {2, 1, 16});
    const PassedGraph passed = pass_all(b.finish(b.node("Add", {b.linear(x, 16), other})));
    CHECK(passed.general("Add") == 1);
  }
  SECTION("not where the layer's own output is wanted too") {
    const ValueId y = b.linear(x, 16);
    b.output(b.node("Add", {y, x}));
    b.output(y);
    const PassedGraph passed = pass_all(b.finish());
    CHECK(passed.general("Add") == 1);
  }
}

TEST_CASE("a constant matrix from the left is a Linear between transposes") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 16, 6});
  const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {b.random({24, 16}), x})));
  CHECK(passed.fused("Linear") == 1);
  CHECK(passed.general("MatMul") == 0);
}

TEST_CASE("weights that differ from batch to batch are no Linear, and the report says so") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 16});
  const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {x, b.random({2, 16, 24})})));
  CHECK(passed.general("MatMul") == 1);
  CHECK(passed.says("not one matrix"));
}

TEST_CASE("a lookup in a constant table is an Embedding") {
  GraphBuilder b;
  const ValueId ids = b.input("ids", {2, 5}, graph::DType::i64);
  const ValueId rows = b.node("Gather", {b.random({37, 16}), ids}, {{"axis", int64_t{0}}});
  const PassedGraph passed = pass_all(b.finish(b.node("Add", {rows, b.random({1, 5, 16})})));
  CHECK(passed.fused("Embedding") == 1);
}

TEST_CASE("constants added one after the other are added as one") {
  GraphBuilder b;
  const ValueId ids = b.input("ids", {2, 5}, graph::DType::i64);
  const ValueId rows = b.node("Gather", {b.random({37, 16}), ids}, {{"axis", int64_t{0}}});
  const ValueId placed = b.node("Add", {rows, b.random({1, 5, 16})});
  const PassedGraph passed = pass_all(b.finish(b.node("Add", {b.random({1, 1, 16}), placed})));
  CHECK(passed.nodes() == 2);
}

TEST_CASE("a layer on flattened rows needs no reshapes around it") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 5, 16});
  const ValueId rows = b.reshape(b.linear(x, 16), {10, 16});
  const ValueId y = b.node("Gemm", {rows, b.random({16, 16}), b.random({16})});
  const ValueId back = b.reshape(y, {2, 5, 16});
  const PassedGraph passed = pass_all(b.finish(b.node("Add", {back, x})));
  CHECK(passed.nodes() == 2);
  CHECK(passed.fused("Linear") == 2);
}

TEST_CASE("what follows the reshape of a layer's rows goes into the layer all the same") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 16});
  const ValueId rows = b.reshape(b.linear(x, 16), {6, 16});
  const ValueId normal = b.node("BatchNormalization",
                                {rows, b.random({16}, 0.5f, 1.0f), b.random({16}), b.random({16}),
                                 b.random({16}, 0.5f, 1.0f)});
  const ValueId y = b.reshape(b.node("Relu", {normal}), {1, 6, 16});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Linear").string_or("activation", "") == "Relu");
}

TEST_CASE("a reshape that cuts the layer's outputs apart stays before what follows") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, 16});
  const ValueId apart = b.reshape(b.linear(x, 16), {1, 6, 2, 8});
  const PassedGraph passed = pass_all(b.finish(b.node("Mul", {apart, b.random({8})})));
  CHECK(passed.general("Mul") == 1);
}
