// Scores by distance (Transformer-XL, Conformers): a layer for each head, and one strided read.

#include <catch2/generators/catch_generators.hpp>
#include <cmath>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

namespace {

constexpr int64_t kHeads = 3, kWidth = 8, kRows = 7, kReach = 2 * kRows - 1;

struct Spelling {
  bool concat = false;        // zeros are joined, not padded
  bool factor_first = false;  // the scale stands before the shift
  bool bias = true;           // something is added to the queries
  int64_t cut = kRows;        // how many columns are kept of the shifted scores
};

ValueId slice(GraphBuilder& b, ValueId x, int64_t axis, int64_t begin, int64_t end) {
  return b.node("Slice", {x, b.ints({begin}), b.ints({end}), b.ints({axis})});
}

/// Attention over x [1,T,H*D] with scores (q + u) k^T / sqrt(D) and those by distance.
graph::Graph relative(const Spelling& s) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, kRows, kHeads * kWidth});
  const auto heads = [&](std::vector<int64_t> perm) {
    return b.transpose(b.reshape(b.linear(x, kHeads * kWidth), {1, kRows, kHeads, kWidth}),
                       std::move(perm));
  };
  const ValueId q = heads({0, 2, 1, 3}), k = heads({0, 2, 3, 1}), v = heads({0, 2, 1, 3});
  const ValueId scale = b.scalar(1.0f / std::sqrt(static_cast<float>(kWidth)));
  const auto with_bias = [&](ValueId queries) {
    return s.bias ? b.node("Add", {queries, b.random({1, kHeads, 1, kWidth})}) : queries;
  };
  ValueId by_distance = b.node("MatMul", {with_bias(q), b.random({1, kHeads, kWidth, kReach})});
  if (s.factor_first) by_distance = b.node("Mul", {by_distance, scale});
  ValueId padded =
      s.concat ? b.node("Concat",
                        {b.floats({1, kHeads, kRows, 1}, std::vector<float>(kHeads * kRows, 0.0f)),
                         by_distance},
                        {{"axis", int64_t{-1}}})
               : b.node("Pad", {by_distance, b.ints({0, 0, 0, 1, 0, 0, 0, 0})});
  padded = b.reshape(padded, {1, kHeads, kReach + 1, kRows});
  padded = slice(b, padded, 2, 1, 1 + kReach);
  ValueId shifted = slice(b, b.reshape(padded, {1, kHeads, kRows, kReach}), 3, 0, s.cut);
  if (!s.factor_first) shifted = b.node("Mul", {shifted, scale});
  if (s.cut != kRows) {
    b.output(shifted);
    return b.finish();
  }
  const ValueId content = b.node("Mul", {b.node("MatMul", {with_bias(q), k}), scale});
  const ValueId weights =
      b.node("Softmax", {b.node("Add", {content, shifted})}, {{"axis", int64_t{-1}}});
  const ValueId mixed = b.node("MatMul", {weights, v});
  b.output(b.reshape(b.transpose(mixed, {0, 2, 1, 3}), {1, kRows, kHeads * kWidth}));
  return b.finish();
}

}  // namespace

TEST_CASE("scores by distance are a layer for each head and a strided read, however spelled") {
  Spelling s;
  s.concat = GENERATE(false, true);
  s.factor_first = GENERATE(false, true);
  s.bias = GENERATE(false, true);
  const PassedGraph passed = pass_all(relative(s));
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("MatMul") == 0);
  CHECK(passed.general("Pad") == 0);
  CHECK(passed.general("Mul") == 0);
  const graph::Node& attention = passed.first("Attention");
  REQUIRE(attention.inputs.size() > 3);
  CHECK(*passed.graph.value(attention.inputs[3]).shape == graph::Shape{1, kHeads, kRows, kRows});
  int by_head = 0;
  for (const graph::NodeId id : passed.graph.order())
    by_head += passed.graph.node(id).is("Linear", "heed") &&
               passed.graph.value(passed.graph.node(id).outputs[0]).shape->back() == kReach;
  CHECK(by_head == kHeads);
}

TEST_CASE("scores that are read elsewhere than by distance stay as they are") {
  Spelling s;
  s.cut = kRows - 1;
  const PassedGraph passed = pass_all(relative(s));
  CHECK(passed.general("MatMul") == 1);
  CHECK(passed.general("Pad") == 1);
}
