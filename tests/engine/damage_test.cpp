// Files damaged at random: each is refused, or runs without leaving its memory. HEED_FUZZ_ROUNDS
// sets how many are tried; under the sanitizers some hundred thousand have been.

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr int64_t kTelling[] = {0,  1,   -1,    2,     4,       7,       15,        16,       17,
                                32, 63,  64,    65,    127,     128,     255,       256,      1000,
                                48, 144, 65535, 65536, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN};

template <class T>
void put(AlignedBytes& bytes, size_t at, T value) {
  memcpy(bytes.data() + at / sizeof(T) * sizeof(T), &value, sizeof value);
}

void damage(AlignedBytes& bytes, size_t tables, SeededRandom& random) {
  const auto telling = [&] {
    return kTelling[random.integer(0, static_cast<int64_t>(std::size(kTelling)) - 1)];
  };
  for (int64_t i = random.integer(1, 4); i > 0; --i) {
    const auto at = static_cast<size_t>(random.integer(0, static_cast<int64_t>(tables) - 8));
    switch (random.integer(0, 3)) {
      case 0:
        put(bytes, at, static_cast<uint8_t>(random.next()));
        break;
      case 1:
        put(bytes, at, static_cast<int32_t>(telling()));
        break;
      case 2:
        put(bytes, at, telling());
        break;
      default: {
        uint32_t value = 0;
        memcpy(&value, bytes.data() + at / 4 * 4, sizeof value);
        put(bytes, at, value + static_cast<uint32_t>(random.integer(-3, 3)));
      }
    }
  }
}

}  // namespace

TEST_CASE("a file damaged at random is refused or runs inside its memory") {
  TinyModel tiny[] = {attention_model(1, 5, 2, 8),
                      feed_forward_model(1, 6, 16),
                      lookup_model(),
                      running_sum_model(),
                      two_entry_model(),
                      convolution_model()};
  std::vector<AlignedBytes> good;
  for (TinyModel& model : tiny) good.push_back(model.bytes());
  const char* given = std::getenv("HEED_FUZZ_ROUNDS");
  const int64_t rounds = given != nullptr ? std::atoll(given) : 3000;
  heed_limits limits = heed_default_limits();
  limits.session_bytes = limits.tensor_bytes = 1 << 24;
  SeededRandom random(static_cast<uint64_t>(rounds));
  int64_t opened = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    const auto which = static_cast<size_t>(round) % good.size();
    AlignedBytes bytes = good[which];
    damage(bytes, bytes.size() - tiny[which].blobs.size(), random);
    Model model;
    if (model.open(bytes.span(), nullptr, &limits) != Status::ok) continue;
    ++opened;
    heed_options options{};
    options.threads = 1 + static_cast<int32_t>(round % 2);
    size_t needed = 0;
    INFO("round " << round);
    REQUIRE(model.memory_needed(options, &needed) == Status::ok);
    if (needed > size_t{1} << 27) continue;
    Session session;
    REQUIRE(session.create(model, options) == Status::ok);
    for (const char* entry_point : {static_cast<const char*>(nullptr), "decode"}) {
      const Status status = session.run(entry_point);
      CHECK((status == Status::ok || status == Status::bad_input || status == Status::not_found));
    }
  }
  CHECK(opened > 0);
  CHECK(opened < rounds);
}
