#include <cmath>
#include <limits>

#include <catch2/generators/catch_generators.hpp>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;
using Ints = std::vector<int64_t>;

namespace {

constexpr int64_t kHeads = 3, kWidth = 8, kModel = kHeads * kWidth;

int64_t rows_of(GraphBuilder& b, ValueId x) { return (*b.graph().value(x).shape)[1]; }
int64_t batch_of(GraphBuilder& b, ValueId x) { return (*b.graph().value(x).shape)[0]; }

/// [B,T,H*D] -> [B,H,T,D], or [B,H,D,T] for keys.
ValueId heads_of(GraphBuilder& b, ValueId x, Ints perm = {0, 2, 1, 3}, int64_t heads = kHeads) {
  const int64_t width = b.graph().value(x).shape->back() / heads;
  return b.transpose(b.reshape(x, {batch_of(b, x), rows_of(b, x), heads, width}), std::move(perm));
}

ValueId keys_of(GraphBuilder& b, ValueId x) { return heads_of(b, x, {0, 2, 3, 1}); }

/// [B,H,T,D] -> [B,T,H*D]
ValueId join_heads(GraphBuilder& b, ValueId x) {
  const graph::Shape s = *b.graph().value(x).shape;
  return b.reshape(b.transpose(x, {0, 2, 1, 3}), {s[0], s[2], s[1] * s[3]});
}

ValueId softmax(GraphBuilder& b, ValueId x) {
  return b.node("Softmax", {x}, {{"axis", int64_t{-1}}});
}

void check_one_attention(const PassedGraph& passed, float scale = 1.0f / std::sqrt(8.0f)) {
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("MatMul") == 0);
  CHECK(passed.general("Softmax") == 0);
  CHECK(passed.general("Transpose") == 0);
  const graph::Node& attention = passed.first("Attention");
  CHECK(attention.int_or("heads", 0) == kHeads);
  CHECK(attention.int_or("head_width", 0) == kWidth);
  CHECK(std::fabs(attention.float_or("scale", 0) - scale) < 1e-6f);
}

}  // namespace

TEST_CASE(
    "attention with separate projections is one Linear and one Attention wherever it scales") {
  GraphBuilder b;
  const int64_t batch = GENERATE(1, 2);
  const ValueId x = b.input("x", {batch, 11, kModel});
  ValueId q = heads_of(b, b.linear(x, kModel)), k = keys_of(b, b.linear(x, kModel, false));
  const ValueId v = heads_of(b, b.linear(x, kModel));
  const float root = std::sqrt(8.0f), fourth = std::sqrt(root);
  const int spelling = GENERATE(0, 1, 2, 3, 4, 5);
  if (spelling == 0) q = b.node("Div", {q, b.scalar(root)});
  if (spelling == 1) k = b.node("Mul", {k, b.scalar(1.0f / root)});
  if (spelling == 2) {
    q = b.node("Mul", {q, b.scalar(1.0f / fourth)});
    k = b.node("Mul", {k, b.scalar(1.0f / fourth)});
  }
  ValueId scores = b.node("MatMul", {q, k});
  if (spelling == 3) scores = b.node("Mul", {b.scalar(1.0f / root), scores});
  if (spelling == 4) scores = b.node("Div", {scores, b.floats({1}, {root})});
  const ValueId y = b.node("MatMul", {softmax(b, scores), v});
  const PassedGraph passed = pass_all(b.finish(b.linear(join_heads(b, y), kModel)));
  check_one_attention(passed, spelling == 5 ? 1.0f : 1.0f / root);
  CHECK(passed.nodes() == 3);
  const graph::Node& attention = passed.first("Attention");
  CHECK(attention.int_or("k_column", 0) == kModel);
  CHECK(attention.int_or("v_column", 0) == 2 * kModel);
  CHECK(attention.inputs[0] == attention.inputs[2]);
}

TEST_CASE("cross attention merges the projections of keys and values") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 5, kModel}), memory = b.input("memory", {1, 9, kModel});
  const ValueId q = heads_of(b, b.linear(x, kModel)), k = keys_of(b, b.linear(memory, kModel));
  const ValueId v = heads_of(b, b.linear(memory, kModel));
  const ValueId scores = b.node("Div", {b.node("MatMul", {q, k}), b.scalar(std::sqrt(8.0f))});
  const ValueId y = b.node("MatMul", {softmax(b, scores), v});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed);
  CHECK(passed.nodes() == 3);
  CHECK(passed.first("Attention").inputs[1] == passed.first("Attention").inputs[2]);
}

TEST_CASE("one merged projection is cut into q, k and v in every way that exporters cut") {
  GraphBuilder b;
  const int64_t batch = GENERATE(1, 2);
  const ValueId x = b.input("x", {batch, 7, kModel});
  const ValueId qkv = b.linear(x, 3 * kModel);
  ValueId q, k, v;
  const int spelling = GENERATE(0, 1, 2, 3);
  if (spelling == 0) {  // Split
    const auto parts = b.nodes("Split", {qkv, b.ints({kModel, kModel, kModel})},
                               {{"axis", int64_t{-1}}}, {true, true, true});
    q = heads_of(b, parts[0]);
    k = keys_of(b, parts[1]);
    v = heads_of(b, parts[2]);
  } else if (spelling == 1) {  // Slices, the keys transposed twice
    const auto part = [&](int64_t i) {
      return b.node("Slice", {qkv, b.ints({i * kModel}), b.ints({(i + 1) * kModel}), b.ints({2})});
    };
    q = heads_of(b, part(0));
    k = b.transpose(heads_of(b, part(1)), {0, 1, 3, 2});
    v = heads_of(b, part(2));
  } else {  // [B,T,3,H,D], moved to the front, and one of three taken
    const ValueId cut = b.transpose(b.reshape(qkv, {batch, 7, 3, kHeads, kWidth}), {2, 0, 3, 1, 4});
    const auto part = [&](int64_t i) {
      if (spelling == 2) {
        return b.node("Gather", {cut, b.int_tensor({}, {i})}, {{"axis", int64_t{0}}});
      }
      const ValueId one = b.node("Slice", {cut, b.ints({i}), b.ints({i + 1}), b.ints({0})});
      return b.node("Squeeze", {one, b.ints({0})});
    };
    q = part(0);
    k = b.transpose(part(1), {0, 1, 3, 2});
    v = part(2);
  }
  const ValueId scores = b.node("Div", {b.node("MatMul", {q, k}), b.scalar(std::sqrt(8.0f))});
  const ValueId y = b.node("MatMul", {softmax(b, scores), v});
  const PassedGraph passed = pass_all(b.finish(b.linear(join_heads(b, y), kModel)));
  check_one_attention(passed);
  CHECK(passed.nodes() == 3);
  CHECK(passed.first("Attention").int_or("v_column", 0) == 2 * kModel);
}

TEST_CASE("heads folded into the batch are found, for one sequence and for several") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 7, kModel});
  const auto fold = [&](ValueId y, Ints perm) {  // [B,T,E] -> [T,B,E] -> [T,B*H,D] -> [B*H,T,D]
    return b.transpose(b.reshape(b.transpose(y, {1, 0, 2}), {7, kHeads, kWidth}), std::move(perm));
  };
  const ValueId q = fold(b.linear(x, kModel), {1, 0, 2});
  const ValueId k = fold(b.linear(x, kModel), {1, 2, 0});
  const ValueId v = fold(b.linear(x, kModel), {1, 0, 2});
  const ValueId scores = b.node("Div", {b.node("MatMul", {q, k}), b.scalar(std::sqrt(8.0f))});
  const ValueId y = b.node("MatMul", {softmax(b, scores), v});
  const ValueId rows = b.reshape(b.transpose(y, {1, 0, 2}), {7, 1, kModel});
  const PassedGraph passed = pass_all(b.finish(b.linear(b.transpose(rows, {1, 0, 2}), kModel)));
  check_one_attention(passed);
  CHECK(passed.nodes() == 3);
}

TEST_CASE("scores reshaped to four dimensions for a mask and back are followed") {
  GraphBuilder b;
  const int64_t batch = 2;
  const ValueId x = b.input("x", {batch, 7, kModel});
  const auto fold = [&](ValueId y, Ints perm) {
    const ValueId heads = heads_of(b, y);
    return b.transpose(b.reshape(heads, {batch * kHeads, 7, kWidth}), std::move(perm));
  };
  const ValueId q = fold(b.linear(x, kModel), {0, 1, 2}), k = fold(b.linear(x, kModel), {0, 2, 1});
  const ValueId v = fold(b.linear(x, kModel), {0, 1, 2});
  ValueId scores = b.node("MatMul", {q, k});
  const bool per_head = GENERATE(false, true);
  const graph::Shape mask = per_head ? graph::Shape{1, kHeads, 7, 7} : graph::Shape{batch, 1, 1, 7};
  scores = b.node("Add", {b.reshape(scores, {batch, kHeads, 7, 7}), b.random(mask)});
  const ValueId weights = softmax(b, b.reshape(scores, {batch * kHeads, 7, 7}));
  const ValueId y = b.reshape(b.node("MatMul", {weights, v}), {batch, kHeads, 7, kWidth});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed, 1.0f);
  CHECK(passed.nodes() == 2);
}

TEST_CASE("grouped queries share their keys and values without a copy") {
  GraphBuilder b;
  const int64_t batch = GENERATE(1, 2), heads = 6, kv_heads = GENERATE(1, 2, 3);
  const int64_t group = heads / kv_heads;
  const ValueId x = b.input("x", {batch, 7, 32});
  const ValueId q = heads_of(b, b.linear(x, heads * kWidth), {0, 2, 1, 3}, heads);
  const auto shared = [&](ValueId y) {
    const ValueId h = heads_of(b, y, {0, 2, 1, 3}, kv_heads);
    const ValueId wide = b.node("Expand", {b.node("Unsqueeze", {h, b.ints({2})}),
                                           b.ints({batch, kv_heads, group, 7, kWidth})});
    return b.reshape(wide, {batch, heads, 7, kWidth});
  };
  const ValueId k = b.transpose(shared(b.linear(x, kv_heads * kWidth)), {0, 1, 3, 2});
  const ValueId v = shared(b.linear(x, kv_heads * kWidth));
  const ValueId y = b.node("MatMul", {softmax(b, b.node("MatMul", {q, k})), v});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  CHECK(passed.nodes() == 2);
  CHECK(passed.first("Attention").int_or("heads", 0) == heads);
  CHECK(passed.first("Attention").int_or("kv_heads", 0) == kv_heads);
}

TEST_CASE("a single head needs no splitting") {
  GraphBuilder b;
  const int64_t batch = GENERATE(1, 3);
  const ValueId x = b.input("x", {batch, 7, 16});
  const ValueId q = b.linear(x, 16), k = b.transpose(b.linear(x, 16), {0, 2, 1});
  const ValueId scores = b.node("Div", {b.node("MatMul", {q, k}), b.scalar(4.0f)});
  const ValueId y = b.node("MatMul", {softmax(b, scores), b.linear(x, 16)});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.nodes() == 2);
  CHECK(passed.first("Attention").int_or("heads", 0) == 1);
}

TEST_CASE("queries, keys and values that come with heads first need no transpose") {
  GraphBuilder b;
  const ValueId q = b.input("q", {2, kHeads, 5, kWidth}), k = b.input("k", {2, kHeads, 9, kWidth});
  const ValueId v = b.input("v", {2, kHeads, 9, 4});
  const ValueId scores = b.node("MatMul", {q, b.transpose(k, {0, 1, 3, 2})});
  const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {softmax(b, scores), v})));
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("Transpose") == 0);
  CHECK(passed.first("Attention").int_or("value_width", 0) == 4);
}

TEST_CASE("rotated queries and keys are worked on as rows, so that no transpose is left") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 7, kModel});
  const ValueId cosines = b.random({1, 1, 7, kWidth}), sines = b.random({1, 1, 7, kWidth});
  const auto rotated = [&](ValueId y) {
    const ValueId h = heads_of(b, y);
    const int64_t half = kWidth / 2;
    const ValueId low = b.node("Slice", {h, b.ints({0}), b.ints({half}), b.ints({3})});
    const ValueId high = b.node("Slice", {h, b.ints({half}), b.ints({kWidth}), b.ints({3})});
    const ValueId turned = b.node("Concat", {b.node("Neg", {high}), low}, {{"axis", int64_t{-1}}});
    return b.node("Add", {b.node("Mul", {h, cosines}), b.node("Mul", {turned, sines})});
  };
  const ValueId q = rotated(b.linear(x, kModel)), k = rotated(b.linear(x, kModel));
  const ValueId v = heads_of(b, b.linear(x, kModel));
  const ValueId scores = b.node("MatMul", {q, b.transpose(k, {0, 1, 3, 2})});
  const ValueId y = b.node("MatMul", {softmax(b, scores), v});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed, 1.0f);
}

TEST_CASE("heads whose q, k and v lie side by side become columns of one Linear without a copy") {
  GraphBuilder b;
  const int64_t batch = GENERATE(1, 2);
  const ValueId x = b.input("x", {batch, 7, kModel});
  const ValueId cut = b.reshape(b.linear(x, 3 * kModel), {batch, 7, kHeads, 3 * kWidth});
  const auto parts = b.nodes("Split", {cut, b.ints({kWidth, kWidth, kWidth})},
                             {{"axis", int64_t{3}}}, {true, true, true});
  const ValueId q = b.transpose(parts[0], {0, 2, 1, 3}), k = b.transpose(parts[1], {0, 2, 3, 1});
  const ValueId weights = softmax(b, b.node("MatMul", {q, k}));
  const ValueId y = b.node("MatMul", {weights, b.transpose(parts[2], {0, 2, 1, 3})});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed, 1.0f);
  CHECK(passed.nodes() == 2);
}

TEST_CASE("products spelled by Einsum are followed like any other") {
  GraphBuilder b;
  const ValueId x = b.input("x", {2, 7, kModel});
  const auto heads = [&](ValueId y) { return b.reshape(y, {2, 7, kHeads, kWidth}); };
  const ValueId q = heads(b.linear(x, kModel)), k = heads(b.linear(x, kModel));
  const ValueId v = heads(b.linear(x, kModel));
  const auto einsum = [&](ValueId a, ValueId c, const char* equation) {
    return b.node("Einsum", {a, c}, {{"equation", std::string(equation)}});
  };
  const ValueId weights = softmax(b, einsum(q, k, "bqhd, bkhd -> bhqk"));
  const ValueId y = einsum(weights, v, "bhqk,bkhd->bqhd");
  const ValueId w = b.random({kHeads, kWidth, kModel});
  const PassedGraph passed = pass_all(b.finish(einsum(y, w, "bqhd,hde->bqe")));
  check_one_attention(passed, 1.0f);
  CHECK(passed.nodes() == 3);
  CHECK(passed.fused("Linear") == 2);
}

TEST_CASE("the guard against rows without any key is part of Attention") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 7, kModel});
  const ValueId q = heads_of(b, b.linear(x, kModel)), k = keys_of(b, b.linear(x, kModel));
  const ValueId seen = b.input("seen", {1, 1, 7, 7}, graph::DType::boolean);
  const float hidden = -std::numeric_limits<float>::infinity();
  const ValueId mask = b.node("Where", {seen, b.scalar(0.0f), b.scalar(hidden)});
  const ValueId weights = softmax(b, b.node("Add", {b.node("MatMul", {q, k}), mask}));
  const ValueId guarded = b.node("Where", {b.node("IsNaN", {weights}), b.scalar(0.0f), weights});
  const ValueId y = b.node("MatMul", {guarded, heads_of(b, b.linear(x, kModel))});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed, 1.0f);
  CHECK(passed.general("IsNaN") == 0);
}

TEST_CASE("rows transposed to put time first, for the length of an attention, stay as they are") {
  GraphBuilder b;
  const int64_t batch = 2, rows = 7;
  const ValueId x = b.input("x", {batch, rows, kModel});
  const ValueId qkv = b.linear(b.transpose(x, {1, 0, 2}), 3 * kModel);
  const auto part = [&](int64_t i, Ints perm) {
    const ValueId columns =
        b.node("Slice", {qkv, b.ints({i * kModel}), b.ints({(i + 1) * kModel}), b.ints({2})});
    return b.transpose(b.reshape(columns, {rows, batch * kHeads, kWidth}), std::move(perm));
  };
  const ValueId scores = b.node("MatMul", {part(0, {1, 0, 2}), part(1, {1, 2, 0})});
  const ValueId y = b.node("MatMul", {softmax(b, scores), part(2, {1, 0, 2})});
  const ValueId flat = b.reshape(b.transpose(y, {1, 0, 2}), {rows * batch, kModel});
  const ValueId out = b.reshape(b.linear(flat, kModel), {rows, batch, kModel});
  const ValueId back = b.transpose(out, {1, 0, 2});
  const PassedGraph passed = pass_all(b.finish(b.node("Add", {back, x})));
  check_one_attention(passed, 1.0f);
  CHECK(passed.nodes() == 3);
}

TEST_CASE("near misses of attention stay general and say why") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 7, kModel});
  const ValueId q = heads_of(b, b.linear(x, kModel)), k = keys_of(b, b.linear(x, kModel));
  const ValueId v = heads_of(b, b.linear(x, kModel));
  const ValueId scores = b.node("MatMul", {q, k});
  SECTION("a scale that is computed") {
    const ValueId scale = b.input("scale", {1});
    const ValueId weights = softmax(b, b.node("Mul", {scores, scale}));
    const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {weights, v})));
    CHECK(passed.fused("Attention") == 0);
    CHECK(passed.says("its scale is not a constant"));
  }
  SECTION("weights that are an output too") {
    const ValueId weights = softmax(b, scores);
    b.output(weights);
    b.output(b.node("MatMul", {weights, v}));
    const PassedGraph passed = pass_all(b.finish());
    CHECK(passed.says("its weights are used more than once"));
  }
  SECTION("capped scores") {
    const ValueId weights = softmax(b, b.node("Tanh", {scores}));
    const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {weights, v})));
    CHECK(passed.says("its scores pass through"));
  }
  SECTION("a softmax over another dimension") {
    const ValueId weights = b.node("Softmax", {scores}, {{"axis", int64_t{2}}});
    const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {weights, v})));
    CHECK(passed.says("not over the last dimension"));
  }
}

TEST_CASE("a class probability is no attention, nor worth a remark") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 7, kModel});
  const PassedGraph passed = pass_all(b.finish(softmax(b, b.linear(x, 10))));
  CHECK(passed.report.near_misses().empty());
  CHECK(passed.general("Softmax") == 1);
}

TEST_CASE("queries that are constant, as a decoder's first, make an attention too") {
  GraphBuilder b;
  const ValueId memory = b.input("memory", {1, 9, kModel});
  const ValueId k = keys_of(b, b.linear(memory, kModel)), v = heads_of(b, b.linear(memory, kModel));
  const ValueId scores = b.node("MatMul", {b.random({1, kHeads, 5, kWidth}), k});
  const ValueId y = b.node("MatMul", {softmax(b, b.node("Mul", {scores, b.scalar(0.3f)})), v});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed, 0.3f);
  CHECK(passed.nodes() == 2);
}

TEST_CASE("scores multiplied by the mask that also hides them are scaled by it") {
  GraphBuilder b;
  const int64_t rows = 6;
  const ValueId x = b.input("x", {1, rows, kModel});
  const ValueId q = heads_of(b, b.linear(x, kModel)), k = keys_of(b, b.linear(x, kModel));
  const ValueId v = heads_of(b, b.linear(x, kModel));
  std::vector<float> gate, hidden;
  const bool hides = GENERATE(true, false);
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t s = 0; s < rows; ++s) {
      gate.push_back(s <= t ? 0.25f : 0.0f);
      hidden.push_back(s <= t ? 0.0f : hides ? -10000.0f : -10.0f);
    }
  }
  const ValueId gated =
      b.node("Mul", {b.node("MatMul", {q, k}), b.floats({1, 1, rows, rows}, gate)});
  const ValueId masked = b.node("Add", {gated, b.floats({1, 1, rows, rows}, hidden)});
  const ValueId y = b.node("MatMul", {softmax(b, masked), v});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  if (hides) {
    check_one_attention(passed, 0.25f);
    CHECK(passed.first("Attention").int_or("causal", 0) == 1);
  } else {
    CHECK(passed.fused("Attention") == 0);
    CHECK(passed.says("its scale is not a constant"));
  }
}

TEST_CASE("a mask that is one number everywhere, and a scale written out in full, are none") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 6, kModel});
  const ValueId q = heads_of(b, b.linear(x, kModel)), k = keys_of(b, b.linear(x, kModel));
  const ValueId v = heads_of(b, b.linear(x, kModel));
  const ValueId full = b.floats({1, 1, 6, 6}, std::vector<float>(36, 0.5f));
  const ValueId zeros = b.floats({1, 1, 6, 6}, std::vector<float>(36, 0.0f));
  const ValueId scores = b.node("Mul", {full, b.node("MatMul", {q, k})});
  const ValueId y = b.node("MatMul", {softmax(b, b.node("Add", {scores, zeros})), v});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  check_one_attention(passed, 0.5f);
  CHECK(passed.first("Attention").inputs.size() == 3);
}

TEST_CASE("a factor on cached keys goes to the scores") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, kModel});
  const ValueId cache = b.input("cache", {1, kHeads, 5, kWidth});
  const ValueId q = heads_of(b, b.linear(x, kModel)), v = heads_of(b, b.linear(x, kModel));
  const ValueId cat = b.node("Concat", {cache, v}, {{"axis", int64_t{2}}});
  const ValueId k = b.node("Mul", {b.transpose(cat, {0, 1, 3, 2}), b.scalar(0.5f)});
  const ValueId y = b.node("MatMul", {softmax(b, b.node("MatMul", {q, k})), cat});
  const PassedGraph passed = pass_all(b.finish(join_heads(b, y)));
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("Mul") == 0);
}

TEST_CASE("attention whose scores are keys against queries, turned, is fused: Keras spells it so") {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 10, 24});
  const auto heads = [&] { return b.reshape(b.linear(x, 24), {1, 10, 3, 8}); };
  const ValueId q = b.transpose(heads(), {0, 2, 3, 1}), k = b.transpose(heads(), {0, 2, 1, 3});
  const ValueId scores = b.transpose(b.node("MatMul", {k, q}), {0, 1, 3, 2});
  const ValueId p = b.node("Softmax", {scores}, {{"axis", int64_t{-1}}});
  const ValueId made = b.node("MatMul", {p, b.transpose(heads(), {0, 2, 1, 3})});
  const ValueId y = b.linear(b.reshape(b.transpose(made, {0, 2, 1, 3}), {1, 10, 24}), 24);
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("Transpose") == 0);
  CHECK(passed.general("MatMul") == 0);
}
