#include <catch2/generators/catch_generators.hpp>

#include "tests/converter/passes_case.h"

using namespace heed;
using namespace heed::test;
using graph::ValueId;

namespace {

constexpr int64_t kBatch = 2, kRows = 6, kKeys = 9, kHeads = 2, kModel = 16;

}  // namespace

TEST_CASE("ONNX's Attention op is one Attention, on rows and with heads first") {
  GraphBuilder b(23);
  SECTION("rows, grouped queries, causal") {
    const ValueId q = b.input("q", {kBatch, kRows, kModel});
    const ValueId k = b.input("k", {kBatch, kRows, kModel / 2});
    const ValueId v = b.input("v", {kBatch, kRows, kModel / 2});
    const PassedGraph passed = pass_all(b.finish(b.node(
        "Attention", {q, k, v},
        {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}, {"is_causal", int64_t{1}}})));
    CHECK(passed.nodes() == 1);
    CHECK(passed.first("Attention").int_or("kv_heads", 0) == 2);
    CHECK(passed.first("Attention").int_or("causal", 0) == 1);
  }
  SECTION("heads first, a boolean mask") {
    const ValueId q = b.input("q", {kBatch, kHeads, kRows, 8});
    const ValueId k = b.input("k", {kBatch, kHeads, kKeys, 8});
    const ValueId v = b.input("v", {kBatch, kHeads, kKeys, 8});
    std::vector<int64_t> seen(kRows * kKeys, 1);
    seen[3] = seen[20] = 0;
    const PassedGraph passed =
        pass_all(b.finish(b.node("Attention", {q, k, v, b.booleans({kRows, kKeys}, seen)})));
    CHECK(passed.fused("Attention") == 1);
    CHECK(passed.general("Transpose") == 0);
  }
}

TEST_CASE("com.microsoft's Attention is a merged Linear and an Attention") {
  GraphBuilder b;
  const ValueId x = b.input("x", {kBatch, kRows, kModel});
  std::vector<ValueId> operands = {x, b.random({kModel, 3 * kModel}), b.random({3 * kModel})};
  const int mask = GENERATE(0, 1, 2, 3);
  if (mask == 1) operands.push_back(b.int_tensor({kBatch}, {4, 6}));
  if (mask == 2) operands.push_back(b.input("mask", {kBatch, kRows}, graph::DType::i64));
  const PassedGraph passed = pass_all(
      b.finish(b.node("com.microsoft:Attention", operands,
                      {{"num_heads", int64_t{kHeads}}, {"unidirectional", int64_t{mask == 3}}})));
  CHECK(passed.fused("Linear") == 1);
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("Transpose") == 0);
  CHECK(passed.first("Attention").int_or("causal", 0) == (mask == 3));
}

TEST_CASE("com.microsoft's MultiHeadAttention takes rows, heads and packed operands, with bias") {
  GraphBuilder b;
  const ValueId q = b.input("q", {kBatch, kRows, kModel});
  const ValueId bias = GENERATE(false, true) ? b.random({3 * kModel}) : graph::kNoValue;
  const int form = GENERATE(0, 1, 2);
  std::vector<ValueId> operands;
  if (form == 0) {
    operands = {q, b.input("k", {kBatch, kKeys, kModel}), b.input("v", {kBatch, kKeys, kModel})};
  } else if (form == 1) {
    operands = {q, b.input("k", {kBatch, kHeads, kKeys, 8}),
                b.input("v", {kBatch, kHeads, kKeys, 8})};
  } else {
    operands = {q, b.input("kv", {kBatch, kKeys, kHeads, 2, 8}), graph::kNoValue};
  }
  operands.push_back(bias);
  if (bias == graph::kNoValue) operands.pop_back();
  const PassedGraph passed = pass_all(b.finish(
      b.node("com.microsoft:MultiHeadAttention", operands, {{"num_heads", int64_t{kHeads}}})));
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.general("MatMul") == 0);
}

TEST_CASE("FusedMatMul comes apart into what the other passes know") {
  GraphBuilder b;
  const ValueId q = b.input("q", {1, kHeads, kRows, 8}), k = b.input("k", {1, kHeads, kKeys, 8});
  const ValueId v = b.input("v", {1, kHeads, kKeys, 8});
  const ValueId scores =
      b.node("com.microsoft:FusedMatMul", {q, k}, {{"transB", int64_t{1}}, {"alpha", 0.25f}});
  const ValueId weights = b.node("Softmax", {scores}, {{"axis", int64_t{-1}}});
  const PassedGraph passed = pass_all(b.finish(b.node("MatMul", {weights, v})));
  CHECK(passed.fused("Attention") == 1);
  CHECK(passed.first("Attention").float_or("scale", 0) == 0.25f);
}

TEST_CASE("BiasGelu after a product is the Linear's bias and activation") {
  GraphBuilder b;
  const ValueId x = b.input("x", {kBatch, kRows, kModel});
  const ValueId y = b.node("MatMul", {x, b.random({kModel, 32})});
  const PassedGraph passed =
      pass_all(b.finish(b.node("com.microsoft:BiasGelu", {y, b.random({32})})));
  CHECK(passed.nodes() == 1);
  CHECK(passed.first("Linear").string_or("activation", "") == "GeluErf");
}

TEST_CASE("rotary embeddings of both domains are products and sums") {
  GraphBuilder b(23);
  const int64_t pairs = GENERATE(0, 1);
  const ValueId cosines = b.random({16, 3}), sines = b.random({16, 3});
  ValueId y = graph::kNoValue;
  SECTION("ONNX's, rows, part of each head, positions at run time") {
    const ValueId x = b.input("x", {kBatch, kRows, kModel});
    const ValueId places = b.input("places", {kBatch, kRows}, graph::DType::i64);
    y = b.node("RotaryEmbedding", {x, cosines, sines, places},
               {{"num_heads", int64_t{kHeads}},
                {"rotary_embedding_dim", int64_t{6}},
                {"interleaved", pairs}});
  }
  SECTION("com.microsoft's, heads first, counted from a first position") {
    const ValueId x = b.input("x", {kBatch, kHeads, kRows, 6});
    y = b.node("com.microsoft:RotaryEmbedding", {x, b.int_tensor({1}, {2}), cosines, sines},
               {{"interleaved", pairs}});
  }
  SECTION("tables that have a row for each row") {
    const ValueId x = b.input("x", {kBatch, kHeads, kRows, 6});
    y = b.node("RotaryEmbedding",
               {x, b.random({kBatch, kRows, 3}), b.random({kBatch, kRows, 3})},
               {{"interleaved", pairs}});
  }
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.general("RotaryEmbedding") == 0);
  CHECK(count_ops(passed.graph, "RotaryEmbedding", "com.microsoft") == 0);
}

TEST_CASE("com.microsoft's EmbedLayerNormalization is lookups, a Norm and a count of keys") {
  GraphBuilder b;
  const ValueId ids = b.input("ids", {kBatch, kRows}, graph::DType::i64);
  const bool masked = GENERATE(true, false);
  const ValueId none = graph::kNoValue;
  std::vector<ValueId> operands = {ids,
                                   none,
                                   b.random({20, kModel}),
                                   b.random({8, kModel}),
                                   none,
                                   b.random({kModel}, 0.5f, 1.0f),
                                   b.random({kModel})};
  if (masked) operands.push_back(b.input("mask", {kBatch, kRows}, graph::DType::i64));
  const auto made = b.nodes("com.microsoft:EmbedLayerNormalization", operands, {}, {true, true});
  const ValueId counts = b.node("Cast", {made[1]}, {{"to", int64_t{1}}});
  const ValueId y = b.node("Add", {made[0], b.reshape(counts, {kBatch, 1, 1})});
  const PassedGraph passed = pass_all(b.finish(y));
  CHECK(passed.fused("Embedding") == 1);
  CHECK(passed.fused("Norm") == 1);
  CHECK(passed.general("ReduceSum") == masked);
}
