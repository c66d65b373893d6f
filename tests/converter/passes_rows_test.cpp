// Rows that nothing reads: a slice of rows moves up to where all rows are needed.

#include <catch2/generators/catch_generators.hpp>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

namespace {

constexpr int64_t kTokens = 12, kModel = 24, kHeads = 3;

/// Rows begin .. end-1 of x [B,T,N].
ValueId rows(GraphBuilder& b, ValueId x, int64_t begin, int64_t end) {
  return b.node("Slice", {x, b.ints({begin}), b.ints({end}), b.ints({1}), b.ints({1})});
}

ValueId norm(GraphBuilder& b, ValueId x) {
  return b.node("LayerNormalization", {x, b.random({kModel}), b.random({kModel})},
                {{"axis", int64_t{-1}}});
}

ValueId heads_of(GraphBuilder& b, ValueId x, std::vector<int64_t> perm) {
  const graph::Shape s = *b.graph().value(x).shape;
  return b.transpose(b.reshape(x, {s[0], s[1], kHeads, s[2] / kHeads}), std::move(perm));
}

/// Attention of projections q, k, v [B,T,N], `mask` added to its scores.
ValueId attend(GraphBuilder& b, ValueId q, ValueId k, ValueId v, ValueId mask) {
  ValueId scores = b.node("MatMul", {heads_of(b, q, {0, 2, 1, 3}), heads_of(b, k, {0, 2, 3, 1})});
  if (mask != graph::kNoValue) scores = b.node("Add", {scores, mask});
  const ValueId shares = b.node("Softmax", {scores}, {{"axis", int64_t{-1}}});
  const ValueId mixed = b.node("MatMul", {shares, heads_of(b, v, {0, 2, 1, 3})});
  const graph::Shape s = *b.graph().value(q).shape;
  return b.reshape(b.transpose(mixed, {0, 2, 1, 3}), {s[0], s[1], s[2]});
}

/// One block before its norms (x + attention, + MLP), from one merged projection or from three.
ValueId block(GraphBuilder& b, ValueId x, bool merged, ValueId mask = graph::kNoValue) {
  const ValueId h = norm(b, x);
  ValueId q, k, v;
  if (merged) {
    const ValueId qkv = b.linear(h, 3 * kModel);
    const auto part = [&](int64_t i) {
      return b.node("Slice", {qkv, b.ints({i * kModel}), b.ints({(i + 1) * kModel}), b.ints({2}),
                              b.ints({1})});
    };
    q = part(0), k = part(1), v = part(2);
  } else {
    q = b.linear(h, kModel), k = b.linear(h, kModel), v = b.linear(h, kModel);
  }
  const ValueId r = b.node("Add", {x, b.linear(attend(b, q, k, v, mask), kModel)});
  const ValueId wide = b.node("Relu", {b.linear(norm(b, r), 2 * kModel)});
  return b.node("Add", {r, b.linear(wide, kModel)});
}

int64_t rows_of(const PassedGraph& passed, const graph::Node& node) {
  return (*passed.graph.value(node.outputs[0]).shape)[1];
}

/// How many nodes of an op compute so many rows.
int with_rows(const PassedGraph& passed, const std::string& op, int64_t count) {
  int found = 0;
  for (graph::NodeId id : passed.graph.order()) {
    const graph::Node& node = passed.graph.node(id);
    found += node.is(op, "heed") && rows_of(passed, node) == count;
  }
  return found;
}

}  // namespace

TEST_CASE("a classifier on one token computes that token alone in its last block") {
  GraphBuilder b;
  const int64_t batch = GENERATE(1, 2), token = GENERATE(0, 5, 11);
  const bool merged = GENERATE(false, true);
  const ValueId x = b.input("x", {batch, kTokens, kModel});
  const ValueId y = block(b, block(b, x, merged), merged);
  const PassedGraph passed = pass_all(b.finish(b.linear(rows(b, norm(b, y), token, token + 1), 7)));
  CHECK(with_rows(passed, "Attention", kTokens) == 1);
  CHECK(with_rows(passed, "Attention", 1) == 1);
  // Query, output and MLP of the last block, and the classifier; the rest is for all tokens.
  CHECK(with_rows(passed, "Linear", 1) == 5);
  CHECK(with_rows(passed, "Linear", kTokens) == 4);
  CHECK(with_rows(passed, "Norm", 1) == 3);
  for (graph::NodeId id : passed.graph.order()) {
    const graph::Node& node = passed.graph.node(id);
    if (!node.is("Attention", "heed")) continue;
    CHECK(node.int_or("first_query", -1) == (rows_of(passed, node) == 1 ? token : -1));
  }
}

TEST_CASE("attention of one query is over the rows that keys and values would be made of") {
  GraphBuilder b;
  const bool merged = GENERATE(false, true), masked = GENERATE(false, true);
  const ValueId x = b.input("x", {2, kTokens, kModel});
  const ValueId mask = masked ? b.random({1, 1, 1, kTokens}) : graph::kNoValue;
  SECTION("up to as many heads as are done in float32") {
    const PassedGraph passed = pass_all(b.finish(rows(b, block(b, x, merged, mask), 0, 1)));
    const graph::Node& attention = passed.first("Attention");
    CHECK(attention.inputs[1] == attention.inputs[2]);
    CHECK(passed.graph.producer(attention.inputs[1], "Norm", "heed") != nullptr);
    CHECK(attention.int_or("kv_heads", 0) == 1);
    CHECK(attention.int_or("head_width", 0) == kModel);
    CHECK(with_rows(passed, "Linear", kTokens) == 0);
  }
  SECTION("not where somebody reads the keys") {
    const ValueId h = norm(b, x), k = b.linear(h, kModel);
    b.output(k);
    const ValueId y = attend(b, rows(b, b.linear(h, kModel), 0, 1), k, b.linear(h, kModel), mask);
    const PassedGraph passed = pass_all(b.finish(b.linear(y, kModel)));
    CHECK(passed.first("Attention").int_or("kv_heads", kHeads) == kHeads);
  }
  SECTION("not where no layer follows that could take the values' weights") {
    const ValueId y = attend(b, rows(b, b.linear(x, kModel), 0, 1), b.linear(x, kModel),
                             b.linear(x, kModel), mask);
    const PassedGraph passed = pass_all(b.finish(b.node("Relu", {y})));
    CHECK(passed.first("Attention").int_or("kv_heads", kHeads) == kHeads);
  }
}

TEST_CASE("two tokens that are read apart are computed together") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, kTokens, kModel});
  const ValueId y = block(b, x, false);
  b.output(b.linear(rows(b, y, 0, 1), 7));
  const PassedGraph passed = pass_all(b.finish(b.linear(rows(b, y, 1, 2), 7)));
  CHECK(with_rows(passed, "Attention", 2) == 1);
  CHECK(with_rows(passed, "Linear", 1) == 2);
}

TEST_CASE("masks follow the queries; causal attention is cut at its end only") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, kTokens, kModel});
  std::vector<float> later(kTokens * kTokens, 0.0f);
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t s = t + 1; s < kTokens; ++s) later[static_cast<size_t>(t * kTokens + s)] = -1e9f;
  SECTION("a mask for each query") {
    const ValueId y = block(b, x, false, b.random({1, 1, kTokens, kTokens}));
    CHECK(with_rows(pass_all(b.finish(rows(b, y, 3, 4))), "Attention", 1) == 1);
  }
  SECTION("the last query of causal attention") {
    const ValueId y = block(b, x, false, b.floats({1, 1, kTokens, kTokens}, later));
    CHECK(with_rows(pass_all(b.finish(rows(b, y, kTokens - 1, kTokens))), "Attention", 1) == 1);
  }
  SECTION("not another one: its place is told from the number of keys") {
    const ValueId y = block(b, x, false, b.floats({1, 1, kTokens, kTokens}, later));
    const PassedGraph passed = pass_all(b.finish(rows(b, y, 3, 4)));
    CHECK(with_rows(passed, "Attention", kTokens) == 1);
    CHECK(with_rows(passed, "Linear", 1) == 3);
  }
}

TEST_CASE("rows that somebody reads are computed") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, kTokens, kModel});
  const ValueId y = block(b, x, true);
  SECTION("all of them are an output") {
    b.output(y);
    const PassedGraph passed = pass_all(b.finish(b.linear(rows(b, y, 0, 1), 7)));
    CHECK(with_rows(passed, "Attention", kTokens) == 1);
    CHECK(with_rows(passed, "Linear", 1) == 1);
  }
  SECTION("more than half of them") {
    const PassedGraph passed = pass_all(b.finish(b.linear(rows(b, y, 0, 8), 7)));
    CHECK(with_rows(passed, "Attention", kTokens) == 1);
  }
}
