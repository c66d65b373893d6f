#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>

#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

struct AttentionCase {
  int32_t batch = 1, queries = 1, keys = 1, heads = 1, kv_heads = 1, width = 16, value_width = 16;
  bool causal = false;
  int32_t window = 0;
  bool mask = false, merged = false;
};

/// An attention op with random operands and its result as plain float64 arithmetic has it.
struct AttentionOp {
  OneOp op;
  AttentionCase c;
  int32_t q, k, v, mask = -1, r;
  std::vector<double> expected, weights;  // weights [batch][heads][queries][keys]

  explicit AttentionOp(const AttentionCase& given) : c(given) {
    SeededRandom random(23);
    const int32_t q_width = c.heads * c.width, k_width = c.kv_heads * c.width;
    const int32_t v_width = c.kv_heads * c.value_width, all = q_width + k_width + v_width;
    fb::AttentionOptionsT options;
    if (c.merged) {
      q = k = v = op.floats({c.batch * c.queries, all});
      options.k_column = static_cast<uint32_t>(q_width);
      options.v_column = static_cast<uint32_t>(q_width + k_width);
      fill(q, random);
    } else {
      q = op.floats({c.batch, c.queries, q_width});
      k = op.floats({c.batch, c.keys, k_width});
      v = op.floats({c.batch, c.keys, v_width});
      for (const int32_t tensor : {q, k, v}) fill(tensor, random);
    }
    if (c.mask) {
      mask = op.floats({c.batch, 1, c.queries, c.keys});
      fill(mask, random);
    }
    r = op.floats({c.batch * c.queries, c.heads * c.value_width});
    options.batch = static_cast<uint32_t>(c.batch);
    options.queries = static_cast<uint32_t>(c.queries);
    options.keys = static_cast<uint32_t>(c.keys);
    options.heads = static_cast<uint32_t>(c.heads);
    options.kv_heads = static_cast<uint32_t>(c.kv_heads);
    options.head_width = static_cast<uint32_t>(c.width);
    options.value_width = static_cast<uint32_t>(c.value_width);
    options.scale = 1.0f / std::sqrt(static_cast<float>(c.width));
    options.causal = c.causal;
    options.window = static_cast<uint32_t>(c.window);
    compute(options);
    op.define(std::move(options), {q, k, v, mask}, {r});
  }

  void fill(int32_t tensor, SeededRandom& random) {
    std::vector<float> values(static_cast<size_t>(op.at(tensor).shape.elements()));
    random.fill(values);
    op.set(tensor, values);
  }

  const float* row(int32_t tensor, int32_t m, uint32_t column) {
    return op.at(tensor).as<const float>() + int64_t{m} * op.at(tensor).shape.last() + column;
  }

  bool sees(int32_t t, int32_t s) const {
    const int32_t end = c.causal ? t + c.keys - c.queries + 1 : c.keys;
    return s < end && (c.window == 0 || s >= end - c.window);
  }

  void compute(const fb::AttentionOptionsT& o) {
    expected.resize(static_cast<size_t>(c.batch * c.queries * c.heads * c.value_width));
    for (int32_t b = 0; b < c.batch; ++b) {
      for (int32_t h = 0; h < c.heads; ++h) {
        const int32_t kv = h / (c.heads / c.kv_heads);
        for (int32_t t = 0; t < c.queries; ++t) {
          const float* qr = row(q, b * c.queries + t, o.q_column) + h * c.width;
          std::vector<double> p(static_cast<size_t>(c.keys));
          double sum = 0;
          for (int32_t s = 0; s < c.keys; ++s) {
            if (!sees(t, s)) continue;
            const float* kr = row(k, b * c.keys + s, o.k_column) + kv * c.width;
            double score = 0;
            for (int32_t d = 0; d < c.width; ++d) score += double{qr[d]} * double{kr[d]};
            score *= static_cast<double>(o.scale);
            if (c.mask) score += double{*row(mask, b * c.queries + t, static_cast<uint32_t>(s))};
            sum += p[static_cast<size_t>(s)] = std::exp(score);
          }
          double* y = &expected[static_cast<size_t>((b * c.queries + t) * c.heads + h) *
                                static_cast<size_t>(c.value_width)];
          for (int32_t s = 0; s < c.keys; ++s) {
            const double weight = p[static_cast<size_t>(s)] / sum;
            weights.push_back(weight);
            const float* vr = row(v, b * c.keys + s, o.v_column) + kv * c.value_width;
            for (int32_t d = 0; d < c.value_width; ++d) y[d] += weight * double{vr[d]};
          }
        }
      }
    }
  }

  void check(double bound = 0.03) {
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {r});
    const auto got = op.get<float>(r);
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - expected[i]));
    }
    CHECK(worst < bound);
  }
};

}  // namespace

TEST_CASE("attention mixes values over batches, heads and shared keys") {
  const AttentionCase cases[] = {
      {.queries = 1, .keys = 1},
      {.queries = 50, .keys = 50, .heads = 3, .kv_heads = 3, .width = 20, .value_width = 12},
      {.batch = 2, .queries = 30, .keys = 17, .heads = 4, .kv_heads = 2},
      {.batch = 3, .queries = 13, .keys = 40, .heads = 2, .kv_heads = 2, .mask = true},
      {.queries = 26, .keys = 26, .heads = 2, .kv_heads = 1, .causal = true},
      {.queries = 10, .keys = 25, .heads = 2, .kv_heads = 2, .causal = true, .window = 4},
      {.queries = 40, .keys = 40, .heads = 3, .kv_heads = 3, .width = 64, .merged = true}};
  for (const AttentionCase& c : cases) {
    INFO(c.batch << " x " << c.queries << " queries, " << c.keys << " keys, " << c.heads
                 << " heads, causal " << c.causal << ", mask " << c.mask);
    AttentionOp attention(c);
    attention.check();
  }
}

TEST_CASE("few queries are answered in float32, exactly but for rounding") {
  const AttentionCase cases[] = {
      {.queries = 1, .keys = 1},
      {.queries = 1, .keys = 700, .heads = 3, .kv_heads = 3, .width = 64, .value_width = 64},
      {.batch = 2, .queries = 1, .keys = 33, .heads = 4, .kv_heads = 2, .width = 20},
      {.batch = 3, .queries = 2, .keys = 40, .heads = 2, .kv_heads = 2, .mask = true},
      {.queries = 2, .keys = 26, .heads = 2, .kv_heads = 2, .value_width = 12, .causal = true},
      {.queries = 2, .keys = 25, .causal = true, .window = 4, .mask = true},
      {.queries = 2, .keys = 2, .heads = 3, .kv_heads = 3, .causal = true, .merged = true}};
  for (const AttentionCase& c : cases) {
    INFO(c.batch << " x " << c.queries << " queries, " << c.keys << " keys, causal " << c.causal
                 << ", mask " << c.mask);
    AttentionOp attention(c);
    attention.check(1e-5);
    std::vector<float> map(attention.weights.size());
    REQUIRE(attention.op.run(IsaSet{}, 1, {{0, -1, map.data()}}) == "");
    for (size_t i = 0; i < map.size(); ++i) {
      REQUIRE(std::fabs(static_cast<double>(map[i]) - attention.weights[i]) < 1e-6);
    }
  }
}

TEST_CASE("a query that is masked throughout gives zeros, few queries as many") {
  for (const int32_t queries : {2, 9}) {
    AttentionOp attention(
        {.queries = queries, .keys = 20, .heads = 2, .kv_heads = 2, .mask = true});
    std::vector<float> mask(static_cast<size_t>(queries) * 20, 0.0f);
    for (size_t s = 0; s < 20; ++s) mask[20 + s] = -INFINITY;
    attention.op.set(attention.mask, mask);
    REQUIRE(attention.op.run(IsaSet{}, 1) == "");
    const auto y = attention.op.get<float>(attention.r);
    for (size_t i = 0; i < 32; ++i) CHECK(y[32 + i] == 0.0f);
    CHECK(y[0] != 0.0f);
  }
}

TEST_CASE("the heads of few rows are shared by the threads, into floats or int8 rows") {
  const int32_t queries = GENERATE(1, 6);
  AttentionOp attention(
      {.queries = queries, .keys = 600, .heads = 8, .kv_heads = 8, .width = 64, .value_width = 64});
  attention.check();
  const int32_t q8 = attention.op.add(DataType::q8_rows, {queries, 512});
  attention.op.op.outputs = {-1, -1, q8};
  REQUIRE(attention.op.verify() == Status::ok);
  check_same_bits(attention.op, {q8});
  attention.op.op.outputs = {attention.r, -1, q8};
  const auto alone = attention.op.bytes(q8);
  check_same_bits(attention.op, {q8});
  CHECK(attention.op.bytes(q8) == alone);
}

TEST_CASE("taps show the probabilities of one head or of all, for every batch") {
  AttentionOp attention({.batch = 2, .queries = 14, .keys = 30, .heads = 3, .kv_heads = 3});
  const size_t plane = 14 * 30;
  std::vector<float> all(2 * 3 * plane), one(2 * plane);
  for (const int32_t threads : {1, 2}) {
    REQUIRE(attention.op.run(IsaSet{}, threads, {{0, 1, one.data()}, {0, -1, all.data()}}) == "");
    for (size_t i = 0; i < all.size(); ++i) {
      REQUIRE(std::fabs(static_cast<double>(all[i]) - attention.weights[i]) < 0.01);
    }
    for (size_t i = 0; i < one.size(); ++i) {
      REQUIRE(one[i] == all[(i / plane * 3 + 1) * plane + i % plane]);
    }
  }
}

TEST_CASE("attention whose options do not fit its operands is refused") {
  const auto refused = [](auto change) {
    AttentionOp a({.batch = 2, .queries = 5, .keys = 7, .heads = 4, .kv_heads = 2, .mask = true});
    REQUIRE(a.op.verify() == Status::ok);
    change(a.op, *a.op.op.options.AsAttentionOptions());
    return a.op.verify() == Status::bad_model;
  };
  using O = fb::AttentionOptionsT;
  CHECK(refused([](OneOp&, O& o) { o.batch = 3; }));
  CHECK(refused([](OneOp&, O& o) { o.batch = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.batch = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.queries = 6; }));
  CHECK(refused([](OneOp&, O& o) { o.queries = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.keys = 8; }));
  CHECK(refused([](OneOp&, O& o) { o.keys = 70000; }));
  CHECK(refused([](OneOp&, O& o) { o.heads = 5; }));
  CHECK(refused([](OneOp&, O& o) { o.heads = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.kv_heads = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.kv_heads = 4; }));
  CHECK(refused([](OneOp&, O& o) { o.head_width = 17; }));
  CHECK(refused([](OneOp&, O& o) { o.head_width = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.head_width = 257; }));
  CHECK(refused([](OneOp&, O& o) { o.value_width = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.scale = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.scale = INFINITY; }));
  CHECK(refused([](OneOp&, O& o) { o.q_column = 1; }));
  CHECK(refused([](OneOp&, O& o) { o.k_column = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.v_column = 1; }));
  CHECK(refused([](OneOp&, O& o) { o.window = 0xffffffff; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[3]).shape.dims[3] = 6; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[3]).shape.dims[1] = 3; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[2]).type = DataType::i32; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs[1] = -1; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.outputs[0]).shape.dims[1] = 63; }));
}
