#include <pthreadpool.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "engine/heed.hpp"
#include "ops/isa.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

std::vector<float> run_once(Session& session, const std::vector<float>& x) {
  const auto input = session.input<float>();
  REQUIRE(input.size() == x.size());
  std::copy(x.begin(), x.end(), input.begin());
  REQUIRE(session.run() == Status::ok);
  const auto y = session.output<float>();
  return {y.begin(), y.end()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<float> random_values(size_t count, uint64_t seed = 5) {
  std::vector<float> values(count);
  SeededRandom(seed).fill(values, -2, 2);
  return values;
}

Session session_of(const Model& model, int32_t threads = 1, const char* isa = nullptr) {
  heed_options options{};
  options.threads = threads;
  options.isa = isa;
  Session session;
  Diagnostic diagnostic;
  const Status status = session.create(model, options, &diagnostic);
  INFO(diagnostic.text());
  REQUIRE(status == Status::ok);
  return session;
}

}  // namespace

TEST_CASE("a session lives in exactly the memory that was asked for, guard pages on both sides") {
  for (TinyModel& tiny :
       std::array<TinyModel, 4>{feed_forward_model(1, 50, 40), convolution_model(),
                                attention_model(2, 33), running_sum_model()}) {
    const AlignedBytes bytes = tiny.bytes();
    Model model;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    for (const int32_t threads : {1, 2}) {
      heed_options options{};
      options.threads = threads;
      size_t needed = 0;
      REQUIRE(model.memory_needed(options, &needed) == Status::ok);
      for (const Guard side : {Guard::back, Guard::front}) {
        GuardedBuffer<std::byte> memory(needed, side);
        Session session;
        REQUIRE(session.create(model, options, memory.span()) == Status::ok);
        CHECK(heed_session_bytes(session.get()) == needed);
        CHECK(session.run() == Status::ok);
        CHECK(session.run() == Status::ok);
      }
    }
  }
}

TEST_CASE("what lay in the memory before changes nothing") {
  const AlignedBytes bytes = attention_model(3, 40).bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  size_t needed = 0;
  REQUIRE(model.memory_needed({}, &needed) == Status::ok);
  const std::vector<float> x = random_values(40 * 48);
  std::vector<std::vector<float>> results;
  for (const int fill : {0x00, 0x7f, 0xff}) {
    AlignedBytes memory(needed);
    memset(memory.data(), fill, needed);
    Session session;
    REQUIRE(session.create(model, {}, memory.span()) == Status::ok);
    results.push_back(run_once(session, x));
  }
  CHECK(same_bits(results[0], results[1]));
  CHECK(same_bits(results[0], results[2]));
}

TEST_CASE("too little memory is refused with both numbers, misaligned memory as well") {
  const AlignedBytes bytes = feed_forward_model().bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  size_t needed = 0;
  REQUIRE(model.memory_needed({}, &needed) == Status::ok);
  AlignedBytes memory(needed + 64);
  Session session;
  Diagnostic diagnostic;
  CHECK(session.create(model, {}, memory.span().first(needed - 1), &diagnostic) ==
        Status::memory_too_small);
  CHECK(diagnostic.expected == static_cast<int64_t>(needed));
  CHECK(diagnostic.actual == static_cast<int64_t>(needed - 1));
  CHECK_FALSE(session);
  CHECK(session.create(model, {}, memory.span().subspan(8, needed), &diagnostic) ==
        Status::invalid_argument);
  CHECK(session.create(model, {}, memory.span().first(needed), &diagnostic) == Status::ok);
}

TEST_CASE("outputs are the same bits on every kernel set and any number of threads") {
  const AlignedBytes files[] = {feed_forward_model(4, 97, 80).bytes(),
                                attention_model(4, 61, 3, 24).bytes()};
  for (const AlignedBytes& bytes : files) {
    Model model;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    Session reference = session_of(model, 1, "reference");
    const std::vector<float> x = random_values(reference.input<float>().size());
    const std::vector<float> expected = run_once(reference, x);
    CHECK(std::all_of(expected.begin(), expected.end(), [](float v) { return std::isfinite(v); }));
    for (size_t i = 0; i < kIsaNameCount; ++i) {
      if (!detect_isa().contains(kIsaNames[i].set)) continue;
      for (const int32_t threads : {1, 2, 3}) {
        INFO(kIsaNames[i].name << ", " << threads << " threads");
        Session session = session_of(model, threads, kIsaNames[i].name);
        CHECK(std::string(heed_session_isa(session.get())) == kIsaNames[i].name);
        CHECK(same_bits(run_once(session, x), expected));
        CHECK(same_bits(run_once(session, x), expected));
      }
    }
  }
}

TEST_CASE("an instruction set is refused that the machine lacks or nobody knows") {
  const AlignedBytes bytes = feed_forward_model().bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session;
  Diagnostic diagnostic;
  heed_options options{};
  options.isa = "sse17";
  CHECK(session.create(model, options, &diagnostic) == Status::invalid_argument);
  CHECK(diagnostic.text() == "sse17: there is no instruction set of that name");
  for (size_t i = 0; i < kIsaNameCount; ++i) {
    if (detect_isa().contains(kIsaNames[i].set)) continue;
    options.isa = kIsaNames[i].name;
    CHECK(session.create(model, options, &diagnostic) == Status::unsupported);
  }
  options = {};
  options.threads = -1;
  CHECK(session.create(model, options, &diagnostic) == Status::invalid_argument);
  options.threads = HEED_MAX_THREADS + 1;
  CHECK(session.create(model, options, &diagnostic) == Status::invalid_argument);
}

TEST_CASE("a session runs on a pool that the caller brings, shared with others") {
  const AlignedBytes bytes = feed_forward_model(1, 100, 64).bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session alone = session_of(model);
  const std::vector<float> x = random_values(alone.input<float>().size());
  const std::vector<float> expected = run_once(alone, x);
  pthreadpool_t pool = pthreadpool_create(2);
  REQUIRE(pool != nullptr);
  {
    heed_options options{};
    options.pool = pool;
    Session first, second;
    REQUIRE(first.create(model, options) == Status::ok);
    REQUIRE(second.create(model, options) == Status::ok);
    CHECK(heed_session_threads(first.get()) == 2);
    CHECK(same_bits(run_once(first, x), expected));
    CHECK(same_bits(run_once(second, x), expected));
  }
  pthreadpool_destroy(pool);
}

TEST_CASE("sessions of one model on several threads do not disturb each other") {
  const AlignedBytes bytes = attention_model(9, 30).bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  constexpr size_t kSessions = 3;
  std::vector<std::vector<float>> inputs, expected, results(kSessions);
  std::vector<Session> sessions;
  for (size_t i = 0; i < kSessions; ++i) {
    sessions.push_back(session_of(model));
    inputs.push_back(random_values(30 * 48, i + 1));
    Session own = session_of(model);
    expected.push_back(run_once(own, inputs[i]));
  }
  model = Model();  // closed: the sessions keep what they need
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kSessions; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        const auto in = sessions[i].input<float>();
        std::copy(inputs[i].begin(), inputs[i].end(), in.begin());
        if (sessions[i].run() != Status::ok) return;
      }
      const auto y = sessions[i].output<float>();
      results[i].assign(y.begin(), y.end());
    });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kSessions; ++i) CHECK(same_bits(results[i], expected[i]));
}

TEST_CASE("state persists from run to run until it is reset") {
  const AlignedBytes bytes = running_sum_model(5).bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session = session_of(model), other = session_of(model);
  const std::vector<float> ten(5, 10.0f);
  CHECK(run_once(session, ten) == std::vector<float>{11, 12, 13, 14, 15});
  CHECK(run_once(session, ten) == std::vector<float>{21, 22, 23, 24, 25});
  CHECK(run_once(other, ten) == std::vector<float>{11, 12, 13, 14, 15});
  session.reset();
  CHECK(run_once(session, ten) == std::vector<float>{11, 12, 13, 14, 15});
}

TEST_CASE("an id outside its table is a bad input with its op and value, and nothing else breaks") {
  const AlignedBytes bytes = lookup_model(4, 8).bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session = session_of(model);
  const auto ids = session.input<int32_t>();
  std::copy_n(std::begin({6, 0, 1, 2}), 4, ids.begin());
  CHECK(session.run() == Status::ok);
  Diagnostic diagnostic;
  for (const int32_t bad : {7, -1, INT32_MAX, INT32_MIN}) {
    std::copy_n(std::begin({6, 0, bad, 2}), 4, ids.begin());
    CHECK(session.run(nullptr, &diagnostic) == Status::bad_input);
    CHECK(diagnostic.op == 0);
    CHECK(diagnostic.actual == bad);
    CHECK(std::string(diagnostic.where) == "lookup");
  }
  std::copy_n(std::begin({6, 0, 1, 2}), 4, ids.begin());
  CHECK(session.run(nullptr, &diagnostic) == Status::ok);
  CHECK(diagnostic.status == HEED_OK);
}

TEST_CASE("entry points have memory of their own: an output survives the run of another") {
  const AlignedBytes bytes = two_entry_model().bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session = session_of(model);
  const auto x = session.input<float>("x", "encode");
  std::iota(x.begin(), x.end(), 1.0f);
  REQUIRE(session.run("encode") == Status::ok);
  const auto code = session.output<float>("code", "encode");
  const std::vector<float> before(code.begin(), code.end());
  const auto given = session.input<float>("code", "decode"),
             t = session.input<float>("t", "decode");
  std::copy(code.begin(), code.end(), given.begin());
  std::fill(t.begin(), t.end(), 100.0f);
  REQUIRE(session.run("decode") == Status::ok);
  CHECK(std::equal(code.begin(), code.end(), before.begin()));
  const auto y = session.output<float>("y", "decode");
  for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == before[i] + 100.0f);
}
