// One model, many sessions, each on a thread of its own, with workers of its own or none: the same
// bits as alone. ThreadSanitizer runs this file too (platforms/linux/run_sanitizers.sh).

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <thread>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

constexpr int kThreads = 4, kSessionsEach = 4, kRuns = 5, kWorkersMax = 2;

/// What a new session on `threads` threads makes of the input that `seed` gives; empty on an error.
/// Looks at the model meanwhile, as a program that shows its attention would.
std::vector<float> answer(const Model& model, int32_t threads, uint64_t seed) {
  heed_options options{};
  options.threads = threads;
  Session session;
  if (session.create(model, options) != Status::ok) return {};
  std::vector<float> out;
  for (int run = 0; run < kRuns; ++run) {
    const auto x = session.input<float>();
    SeededRandom(seed).fill(x, -2, 2);
    std::vector<float> weights;
    heed_attention attention;
    if (heed_model_attention(model.get(), "main", 0, &attention) == HEED_OK) {
      weights.resize(static_cast<size_t>(attention.batch) * attention.queries * attention.keys);
      if (heed_attention_tap(session.get(), "main", attention.op, 0, weights.data(),
                             weights.size() * sizeof(float), nullptr) != HEED_OK)
        return {};
    }
    if (session.run() != Status::ok) return {};
    const auto y = session.output<float>();
    out.assign(y.begin(), y.end());
    out.insert(out.end(), weights.begin(), weights.end());
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return !a.empty() && a.size() == b.size() &&
         memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("sessions that share a model, created and run on many threads, give the bits of one") {
  TinyModel models[] = {attention_model(9, 30), feed_forward_model(), convolution_model()};
  for (TinyModel& tiny : models) {
    const AlignedBytes bytes = tiny.bytes();
    Model model;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    std::vector<std::vector<float>> alone;
    for (uint64_t seed = 0; seed < kSessionsEach; ++seed) alone.push_back(answer(model, 1, seed));
    std::atomic<int> equal{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread)
      threads.emplace_back([&, thread] {
        for (size_t i = 0; i < kSessionsEach; ++i)
          equal += same_bits(answer(model, 1 + (thread + static_cast<int>(i)) % kWorkersMax, i),
                             alone[i]);
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(equal == kThreads * kSessionsEach);
  }
}
