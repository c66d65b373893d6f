// Rare ops and old meanings, in common words: same values, same names of outputs.

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "converter/graph/fold_constants.h"
#include "tests/support/graph_builder.h"

namespace {

using heed::graph::Graph;
using heed::graph::Shape;
using namespace heed::test;

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
