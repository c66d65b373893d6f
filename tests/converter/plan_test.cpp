#include "converter/plan/plan.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "tests/support/seeded_random.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

PlanItem item(size_t bytes, int32_t first, int32_t last) { return {bytes, {first, last}, 0}; }

void check_apart(const std::vector<PlanItem>& items, const PlanResult& result) {
  for (size_t i = 0; i < items.size(); ++i) {
    const PlanItem& a = items[i];
    CHECK(a.offset % kAlignment == 0);
    CHECK(a.offset + a.bytes <= result.arena_bytes);
    for (size_t j = 0; j < i; ++j) {
      const PlanItem& b = items[j];
      if (!a.life.meets(b.life)) continue;
      CHECK((a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset));
    }
  }
}

bool close_to_bound(const PlanResult& result) {
  return static_cast<double>(result.arena_bytes) <= 1.05 * static_cast<double>(result.lower_bound);
}

// Tensors of a transformer of some blocks: tokens x width floats, its hidden layer 4 times as wide.
std::vector<PlanItem> transformer(int32_t blocks, size_t tokens, size_t width) {
  std::vector<PlanItem> items;
  const size_t floats = tokens * width * 4, int8 = tokens * (width + 4);
  int32_t op = 0;
  items.push_back(item(floats, -1, 0));
  for (int32_t b = 0; b < blocks; ++b) {
    items.push_back(item(floats, op, op + 4));          // residual stream
    items.push_back(item(int8, op, op + 1));            // normed
    items.push_back(item(3 * floats, op + 1, op + 2));  // q, k, v
    items.push_back(item(int8, op + 2, op + 3));        // attention
    items.push_back(item(floats, op + 3, op + 5));      // residual stream
    items.push_back(item(int8, op + 3, op + 4));        // normed
    items.push_back(item(4 * int8, op + 4, op + 5));    // hidden
    op += 5;
  }
  items.push_back(item(floats, op, op + 1));
  return items;
}

}  // namespace

TEST_CASE("items that never meet share their memory") {
  std::vector<PlanItem> items{item(1000, 0, 1), item(1000, 2, 3), item(1000, 4, 5)};
  const PlanResult result = plan_items(items);
  CHECK(result.arena_bytes == 1024);
  CHECK(result.lower_bound == 1024);
  check_apart(items, result);
}

TEST_CASE("an op's input and output meet even if one ends where the other begins") {
  std::vector<PlanItem> items{item(64, 0, 1), item(64, 1, 2)};
  const PlanResult result = plan_items(items);
  CHECK(result.arena_bytes == 128);
  check_apart(items, result);
}

TEST_CASE("nothing to plan is no memory") {
  std::vector<PlanItem> none;
  CHECK(plan_items(none).arena_bytes == 0);
}

TEST_CASE("plans of transformers stay within 5 percent of the lower bound") {
  for (const int32_t blocks : {1, 2, 12})
    for (const size_t tokens : {1, 17, 197}) {
      std::vector<PlanItem> items = transformer(blocks, tokens, 192);
      const PlanResult result = plan_items(items);
      check_apart(items, result);
      INFO(blocks << " blocks, " << tokens << " tokens: " << result.arena_bytes << " of "
                  << result.lower_bound);
      CHECK(close_to_bound(result));
    }
}

TEST_CASE("random lifetimes never overlap in memory, and most plans are close to the bound") {
  SeededRandom random(7);
  int close = 0;
  constexpr int kRounds = 60;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<PlanItem> items;
    const auto count = random.integer(1, 60);
    for (int64_t i = 0; i < count; ++i) {
      const auto first = static_cast<int32_t>(random.integer(-1, 40));
      const auto length = static_cast<int32_t>(random.integer(0, random.integer(0, 12)));
      items.push_back(item(static_cast<size_t>(random.integer(1, 5000)), first, first + length));
    }
    const PlanResult result = plan_items(items);
    check_apart(items, result);
    CHECK(result.arena_bytes >= result.lower_bound);
    close += close_to_bound(result);
  }
  CHECK(close >= kRounds * 9 / 10);
}

TEST_CASE("planning the same items twice gives the same offsets") {
  std::vector<PlanItem> a = transformer(12, 50, 64), b = a;
  plan_items(a);
  plan_items(b);
  CHECK(std::equal(a.begin(), a.end(), b.begin(),
                   [](const PlanItem& x, const PlanItem& y) { return x.offset == y.offset; }));
}

TEST_CASE("a view keeps its parent alive, an output lives to the end") {
  TinyModel m;
  m.entry_point("main");
  const int32_t x = m.input("x", DataType::f32, {32});
  const int32_t whole = m.arena("whole", {32});
  m.op("copy", fb::CopyOptionsT{}, {x}, {whole});
  const int32_t half = m.view("half", whole, 64, {16});
  const int32_t other = m.arena("other", {32});
  m.op("again", fb::CopyOptionsT{}, {x}, {other});
  const int32_t end = m.arena("end", {16});
  m.op("use", fb::CopyOptionsT{}, {half}, {end});
  m.output(end);
  m.output(other);
  m.plan();

  AlignedBytes bytes = m.bytes();
  DecodedModel decoded;
  REQUIRE(verify_structure(bytes.span(), heed_default_limits(), &decoded, nullptr) == Status::ok);
  std::vector<Lifetime> lives(m.model.tensors.size());
  find_lifetimes(decoded, 0, lives);
  const auto life = [&](int32_t tensor) { return lives[static_cast<size_t>(tensor)]; };
  CHECK((life(x).first == -1 && life(x).last == 1));
  CHECK((life(whole).first == 0 && life(whole).last == 2));
  CHECK_FALSE(life(half).used());
  CHECK((life(other).first == 1 && life(other).last == 3));
  CHECK((life(end).first == 2 && life(end).last == 3));
}
