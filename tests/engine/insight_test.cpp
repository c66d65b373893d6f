// Attention taps, the profile and the observer.

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr int32_t kTokens = 19, kHeads = 3;
constexpr size_t kMap = kTokens * kTokens;

/// attention_model() with an input set.
struct Fixture {
  AlignedBytes bytes = attention_model(6, kTokens, kHeads).bytes();
  Model model;
  Session session;

  explicit Fixture(int32_t threads = 1) {
    heed_options options{};
    options.threads = threads;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    REQUIRE(session.create(model, options) == Status::ok);
  }
  std::vector<float> run() {
    SeededRandom(1).fill(session.input<float>(), -2, 2);
    REQUIRE(session.run() == Status::ok);
    const auto y = session.output<float>();
    return {y.begin(), y.end()};
  }
  heed_status tap(int32_t op, int32_t head, std::vector<float>& map,
                  heed_diagnostic* diagnostic = nullptr) {
    return heed_attention_tap(session.get(), nullptr, op, head, map.data(),
                              map.size() * sizeof(float), diagnostic);
  }
};

}  // namespace

TEST_CASE("a tap gives each head's probabilities, and the output stays the same bits") {
  for (const int32_t threads : {1, 2}) {
    Fixture f(threads);
    const std::vector<float> plain = f.run();
    std::vector<float> all(kHeads * kMap, -1.0f), second(kMap, -1.0f);
    REQUIRE(f.tap(2, -1, all) == HEED_OK);
    REQUIRE(f.tap(2, 1, second) == HEED_OK);
    CHECK(f.run() == plain);
    for (size_t row = 0; row < all.size() / kTokens; ++row) {
      float sum = 0;
      for (size_t s = 0; s < kTokens; ++s) {
        const float p = all[row * kTokens + s];
        CHECK((p >= 0 && p <= 1));
        sum += p;
      }
      CHECK(sum == Catch::Approx(1).margin(1e-5));
    }
    CHECK(memcmp(second.data(), all.data() + kMap, kMap * sizeof(float)) == 0);

    heed_attention_clear(f.session.get());
    std::fill(all.begin(), all.end(), -1.0f);
    CHECK(f.run() == plain);
    CHECK(all[0] == -1.0f);
  }
}

TEST_CASE("taps are refused where there is no attention, no such head or too small a map") {
  Fixture f;
  std::vector<float> map(kMap), small(kMap - 1);
  Diagnostic diagnostic;
  CHECK(f.tap(1, 0, map, &diagnostic) == HEED_NOT_FOUND);
  CHECK(f.tap(99, 0, map, &diagnostic) == HEED_NOT_FOUND);
  CHECK(f.tap(2, kHeads, map, &diagnostic) == HEED_NOT_FOUND);
  CHECK(f.tap(2, -2, map, &diagnostic) == HEED_NOT_FOUND);
  CHECK(f.tap(2, 0, small, &diagnostic) == HEED_MEMORY_TOO_SMALL);
  CHECK(diagnostic.expected == static_cast<int64_t>(kMap * sizeof(float)));
  CHECK(f.tap(2, -1, map, &diagnostic) == HEED_MEMORY_TOO_SMALL);
}

TEST_CASE("every head can be tapped at once, replaced and dropped one by one") {
  Fixture f;
  std::vector<std::vector<float>> maps(kHeads, std::vector<float>(kMap));
  std::vector<float> all(kHeads * kMap), late(kMap);
  for (int round = 0; round < 3; ++round) {
    for (int32_t h = 0; h < kHeads; ++h)
      REQUIRE(f.tap(2, h, maps[static_cast<size_t>(h)]) == HEED_OK);
    REQUIRE(f.tap(2, -1, all) == HEED_OK);
  }
  REQUIRE(f.tap(2, 0, late) == HEED_OK);
  REQUIRE(heed_attention_tap(f.session.get(), nullptr, 2, 1, nullptr, 0, nullptr) == HEED_OK);
  f.run();
  CHECK(maps[0] == std::vector<float>(kMap));
  CHECK(maps[1] == std::vector<float>(kMap));
  CHECK(memcmp(late.data(), all.data(), kMap * sizeof(float)) == 0);
  CHECK(memcmp(maps[2].data(), all.data() + 2 * kMap, kMap * sizeof(float)) == 0);
}

TEST_CASE("the profile counts calls and time of each op, and names what ran") {
  Fixture f;
  std::vector<heed_profile_row> rows(4);
  CHECK(heed_profile(f.session.get(), nullptr, rows.data(), 3) == HEED_INVALID_ARGUMENT);
  REQUIRE(heed_profile(f.session.get(), nullptr, rows.data(), 4) == HEED_OK);
  CHECK(std::string(rows[2].name) == "attention");
  CHECK(std::string(rows[1].kind) == "linear");
  CHECK_FALSE(std::string(rows[1].variant).empty());
  CHECK(rows[1].multiply_adds == kTokens * 48 * 144);
  CHECK(rows[1].bytes > 48 * 144);
  for (int i = 0; i < 5; ++i) f.run();
  for (const heed_profile_row& row : rows) {
    CHECK(row.calls == 5);
    CHECK(row.min_ns >= 0);
    CHECK(row.total_ns >= 5 * row.min_ns);
  }
  REQUIRE(heed_profile(f.session.get(), nullptr, nullptr, 0) == HEED_OK);
  f.run();
  CHECK(rows[0].calls == 5);
}

TEST_CASE("the observer sees every op in order, with its output still in place") {
  Fixture f;
  struct Seen {
    const heed_model* model;
    std::vector<int32_t> ops;
    std::vector<std::vector<float>> values;
  } seen{f.model.get(), {}, {}};
  const auto look = [](void* user, heed_session* session, int32_t op) {
    Seen& s = *static_cast<Seen*>(user);
    s.ops.push_back(op);
    heed_op about;
    REQUIRE(heed_model_op(s.model, nullptr, op, &about) == HEED_OK);
    for (int32_t i = 0; i < about.outputs; ++i) {
      int32_t index = -1;
      REQUIRE(heed_model_op_output(s.model, nullptr, op, i, &index) == HEED_OK);
      if (index < 0) continue;
      heed_tensor tensor;
      REQUIRE(heed_session_tensor(session, index, &tensor) == HEED_OK);
      size_t count = 1;
      for (int32_t d = 0; d < tensor.rank; ++d) count *= static_cast<size_t>(tensor.dims[d]);
      s.values.emplace_back(count);
      REQUIRE(heed_tensor_to_float(&tensor, s.values.back().data(), count) == HEED_OK);
    }
  };
  REQUIRE(heed_session_observe(f.session.get(), nullptr, look, &seen) == HEED_OK);
  const std::vector<float> y = f.run();
  CHECK(seen.ops == std::vector<int32_t>{0, 1, 2, 3});
  REQUIRE(seen.values.size() == 4);
  CHECK(seen.values[0].size() == kTokens * 48);  // q8 rows as floats
  float largest = 0;
  for (const float v : seen.values[0]) largest = std::max(largest, std::fabs(v));
  CHECK((largest > 0.1f && largest < 10.0f));
  CHECK(seen.values[3] == y);
}

TEST_CASE("integers and booleans become floats as they are, and a wrong count is refused") {
  const int64_t i64[] = {-3, 5};
  const uint8_t u8[] = {0, 255};
  float values[2];
  heed_tensor tensor{};
  tensor.rank = 1;
  tensor.dims[0] = 2;
  tensor.type = HEED_I64;
  tensor.data = const_cast<int64_t*>(i64);
  REQUIRE(heed_tensor_to_float(&tensor, values, 2) == HEED_OK);
  CHECK((values[0] == -3 && values[1] == 5));
  tensor.type = HEED_U8;
  tensor.data = const_cast<uint8_t*>(u8);
  REQUIRE(heed_tensor_to_float(&tensor, values, 2) == HEED_OK);
  CHECK((values[0] == 0 && values[1] == 255));
  CHECK(heed_tensor_to_float(&tensor, values, 3) == HEED_INVALID_ARGUMENT);
}
