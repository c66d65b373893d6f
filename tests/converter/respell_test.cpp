// Rare ops and old meanings, in common words: same values, same names of outputs.

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "converter/graph/fold_constants.h"
#include "tests/support/graph_builder.h"

namespace {

using heed::graph::DType;
using heed::graph::Graph;
using heed::graph::Shape;
using namespace heed::test;
using Attributes = GraphBuilder::Attributes;

/// Folds the graph and compares; gives the number of nodes of `op` that are left.
int left_after_folding(GraphBuilder& build, heed::graph::ValueId output, const std::string& op) {
  const Graph before = build.finish(output);
  Graph after = before;
  heed::graph::fold_constants(after);
  CHECK(output_difference(before, after, random_inputs(before)) < 1e-5);
  CHECK(after.value(after.outputs[0]).shape == before.value(before.outputs[0]).shape);
  return count_ops(after, op, "");
}

int einsum_left(const std::string& equation, std::vector<Shape> shapes) {
  INFO(equation);
  GraphBuilder build;
  std::vector<heed::graph::ValueId> inputs;
  for (const Shape& shape : shapes) inputs.push_back(build.input("x", shape));
  const auto y = build.node("Einsum", inputs, {{"equation", equation}});
  return left_after_folding(build, y, "Einsum");
}

}  // namespace

TEST_CASE("Einsum becomes transposes, reshapes and a matrix product") {
  CHECK(einsum_left("bhid,bhjd->bhij", {{1, 2, 3, 4}, {1, 2, 5, 4}}) == 0);
  CHECK(einsum_left("bhij,bhjd->bihd", {{1, 2, 3, 5}, {1, 2, 5, 4}}) == 0);
  CHECK(einsum_left("bqhd,bkhd->bhqk", {{2, 3, 2, 4}, {2, 5, 2, 4}}) == 0);
  CHECK(einsum_left("abc,cde->abde", {{1, 3, 4}, {4, 2, 5}}) == 0);
  CHECK(einsum_left("abcd,cde->abe", {{1, 3, 2, 5}, {2, 5, 6}}) == 0);
  CHECK(einsum_left("...ij,...jk->...ik", {{1, 3, 4}, {2, 4, 5}}) == 0);
  CHECK(einsum_left("i,j->ij", {{3}, {4}}) == 0);
  CHECK(einsum_left("i,i->", {{3}, {3}}) == 0);
  CHECK(einsum_left("bij->bji", {{2, 3, 4}}) == 0);
  CHECK(einsum_left("bij->jb", {{2, 3, 4}}) == 0);
  CHECK(einsum_left("ij->ij", {{2, 3}}) == 0);
  CHECK(einsum_left("ii->i", {{3, 3}}) == 1);  // no common words for a diagonal
  CHECK(einsum_left("bij,jk->bk", {{2, 3, 4}, {4, 5}}) == 1);
}

TEST_CASE("An einsum of heads stays four-dimensional, as attention is looked for") {
  GraphBuilder build;
  const auto q = build.input("q", {1, 2, 3, 4}), k = build.input("k", {1, 2, 5, 4});
  const auto y = build.node("Einsum", {q, k}, {{"equation", std::string("bhid,bhjd->bhij")}});
  Graph graph = build.finish(y);
  heed::graph::fold_constants(graph);
  CHECK(graph.order().size() == 2);
  CHECK(count_ops(graph, "Transpose", "") == 1);
  CHECK(count_ops(graph, "MatMul", "") == 1);
}

TEST_CASE("Group norms normalise groups as instances, with factors per channel or per group") {
  for (int64_t factors : {4, 2}) {
    GraphBuilder build;
    const auto x = build.input("x", {2, 4, 3});
    const auto y = build.node("GroupNormalization",
                              {x, build.random({factors}), build.random({factors})},
                              {{"num_groups", int64_t{2}}, {"epsilon", 0.01f}});
    CHECK(left_after_folding(build, y, "GroupNormalization") == 0);
  }
}

TEST_CASE("Rows are divided by their length") {
  for (int64_t p : {1, 2}) {
    GraphBuilder build;
    const auto x = build.input("x", {3, 4});
    const auto y = build.node("LpNormalization", {x}, {{"p", p}, {"axis", int64_t{0}}});
    CHECK(left_after_folding(build, y, "LpNormalization") == 0);
  }
}

TEST_CASE("A softmax of opset 11 keeps its joint meaning over any axis") {
  for (int64_t axis : {0, 1, 2}) {
    GraphBuilder build(11);
    const auto x = build.input("x", {2, 3, 4});
    const auto y = build.node("LogSoftmax", {x}, {{"axis", axis}});
    CHECK(left_after_folding(build, y, "LogSoftmax") == 1);
  }
}

TEST_CASE("Triangles of run-time values are a Where") {
  for (int64_t upper : {0, 1}) {
    for (auto type : {DType::f32, DType::i64, DType::boolean}) {
      GraphBuilder build;
      const auto x = build.input("x", {2, 3, 4}, type);
      const auto y = build.node("Trilu", {x, build.int_tensor({}, {1 - upper * 2})},
                                {{"upper", upper}});
      CHECK(left_after_folding(build, y, "Trilu") == 0);
    }
  }
}

TEST_CASE("Indices become ones among zeros, counted from the end where negative") {
  for (int64_t axis : {0, 1, -1}) {
    GraphBuilder build;
    const auto ids = build.node("Cast", {build.input("x", {2, 3})}, {{"to", int64_t{7}}});
    const auto depth = build.int_tensor({}, {2}), values = build.floats({2}, {-1, 3});
    const auto y = build.node("OneHot", {ids, depth, values}, {{"axis", axis}});
    CHECK(left_after_folding(build, y, "OneHot") == 0);
  }
}

TEST_CASE("Tuples of indices become one index") {
  GraphBuilder build;
  const auto x = build.input("x", {3, 2, 4});
  const auto ids = build.node("Cast", {build.node("Tanh", {build.input("ids", {5, 2})})},
                              {{"to", int64_t{7}}});  // -1, 0 or 1
  CHECK(left_after_folding(build, build.node("GatherND", {x, ids}), "GatherND") == 0);
}

TEST_CASE("Rare activations are made of common ones") {
  for (const char* op : {"Mish", "Selu", "Celu", "Softsign"}) {
    GraphBuilder build;
    const auto x = build.input("x", {2, 9});
    const Attributes alpha = std::string(op) == "Celu" ? Attributes{{"alpha", 0.7f}} : Attributes{};
    CHECK(left_after_folding(build, build.node(op, {x}, alpha), op) == 0);
  }
}

TEST_CASE("Infinities are told apart by their sign") {
  for (int64_t which : {0, 1, 2, 3}) {
    GraphBuilder build;
    const auto tiny = build.floats({4}, {0, -0.0f, 1, -1});
    const auto x = build.node("Div", {build.input("x", {3, 4}), build.node("Mul", {tiny, tiny})});
    const auto y = build.node("IsInf", {build.node("Div", {x, tiny})},
                              {{"detect_positive", which & 1}, {"detect_negative", which >> 1}});
    CHECK(left_after_folding(build, build.node("Cast", {y}, {{"to", int64_t{1}}}), "IsInf") == 0);
  }
}

TEST_CASE("Scatters to known places take rows of either operand") {
  GraphBuilder some;
  const auto x = some.input("x", {3, 2, 4}), rows = some.input("rows", {2, 4});
  const auto ids = some.int_tensor({2, 2}, {0, 1, -1, 0});
  CHECK(left_after_folding(some, some.node("ScatterND", {x, ids, rows}), "ScatterND") == 0);
  GraphBuilder all;  // a slice of everything, as masks are written in place
  const auto base = all.input("x", {2, 3}), over = all.input("over", {2, 3});
  const auto every = all.int_tensor({2, 1}, {0, 1});
  CHECK(left_after_folding(all, all.node("ScatterND", {base, every, over}), "Concat") == 0);
}
