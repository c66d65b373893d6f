// Rotary positions as an op: batches, columns, a position known at run time, and what is refused.

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr int32_t kBatch = 2, kRows = 3, kHeads = 2, kWidth = 8, kHalf = 3, kPositions = 9;
constexpr int32_t kColumn = 4, kStep = kColumn + kHeads * kWidth + 1;

struct RopeOp {
  OneOp op;
  int32_t x, angles, position, y;
  std::vector<float> values, table;

  explicit RopeOp(bool interleaved = false) {
    SeededRandom random(3);
    values.resize(kBatch * kRows * kStep);
    table.resize(kPositions * 2 * kHalf);
    random.fill(values);
    random.fill(table);
    x = op.floats({kBatch, kRows, kStep});
    angles = op.constant(DataType::f32, {kPositions, 2 * kHalf}, table);
    position = op.add(DataType::i64, {1});
    y = op.floats({kBatch, kRows, kHeads * kWidth});
    op.set(x, values);
    op.set<int64_t>(position, {5});
    op.define(options(interleaved), {x, angles, position}, {y});
  }
  static fb::RopeOptionsT options(bool interleaved = false) {
    fb::RopeOptionsT o;
    o.batch = kBatch;
    o.rows = kRows;
    o.heads = kHeads;
    o.head_width = kWidth;
    o.x_column = kColumn;
    o.interleaved = interleaved;
    return o;
  }
};

}  // namespace

TEST_CASE("a rope op turns each head by the angles of its row's position, with equal bits") {
  for (const bool interleaved : {false, true}) {
    RopeOp rope(interleaved);
    REQUIRE(rope.op.verify() == Status::ok);
    check_same_bits(rope.op, {rope.y});
    const auto y = rope.op.get<float>(rope.y);
    for (int32_t row = 0; row < kBatch * kRows; ++row) {
      const float* angles = rope.table.data() + (5 + row % kRows) * 2 * kHalf;
      for (int32_t h = 0; h < kHeads; ++h) {
        const float* from = rope.values.data() + row * kStep + kColumn + h * kWidth;
        const float* to = y.data() + (row * kHeads + h) * kWidth;
        const int32_t first = interleaved ? 2 : 1, second = interleaved ? 3 : 1 + kHalf;
        const float expected = from[first] * angles[1] - from[second] * angles[1 + kHalf];
        CHECK(std::abs(to[first] - expected) < 1e-6f);
        CHECK(to[kWidth - 1] == from[kWidth - 1]);
      }
    }
  }
}

TEST_CASE("a position beyond the angles ends the run with a sentence") {
  for (const int64_t position : {int64_t{-1}, int64_t{7}, INT64_MAX}) {
    RopeOp rope;
    rope.op.set<int64_t>(rope.position, {position});
    CHECK(rope.op.run(IsaSet{}, 1).find("beyond the model's last") != std::string::npos);
  }
}

TEST_CASE("a rope op whose sizes contradict each other is refused") {
  const auto refused = [](auto change) {
    RopeOp rope;
    fb::RopeOptionsT options = RopeOp::options();
    change(options);
    rope.op.define(options, {rope.x, rope.angles, rope.position}, {rope.y});
    CHECK(rope.op.verify() == Status::bad_model);
  };
  refused([](auto& o) { o.batch = 0; });
  refused([](auto& o) { o.rows = 4; });
  refused([](auto& o) { o.heads = 3; });
  refused([](auto& o) { o.heads = UINT32_MAX; });
  refused([](auto& o) { o.head_width = 4; });
  refused([](auto& o) { o.head_width = 0; });
  refused([](auto& o) { o.x_column = 6; });
  refused([](auto& o) { o.x_column = UINT32_MAX; });
}
