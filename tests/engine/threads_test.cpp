#include "engine/threads.h"

#include <pthreadpool.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <vector>

using namespace heed;

TEST_CASE("one thread is no pool: tiles run inline and in order") {
  Threads threads;
  REQUIRE(threads.create(1, false, true) == Status::ok);
  CHECK(threads.count() == 1);
  CHECK(threads.pool() == nullptr);
  std::vector<int64_t> order;
  threads.parallel_for(5, [&](int64_t tile, int32_t thread) {
    CHECK(thread == 0);
    order.push_back(tile);
  });
  CHECK(order == std::vector<int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("a pool runs every tile once and gives each thread a number of its own") {
  for (const bool spin : {false, true}) {
    Threads threads;
    REQUIRE(threads.create(3, spin, false) == Status::ok);
    REQUIRE(threads.count() == 3);
    for (const int64_t tiles : {0, 1, 2, 7, 100}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(tiles));
      std::atomic<int> inside[3] = {};
      std::atomic<bool> good{true};
      threads.parallel_for(tiles, [&](int64_t tile, int32_t thread) {
        if (thread < 0 || thread >= 3 || inside[thread].fetch_add(1) != 0) good = false;
        calls[static_cast<size_t>(tile)]++;
        inside[thread]--;
      });
      CHECK(good);
      for (const auto& count : calls) CHECK(count == 1);
    }
  }
}

TEST_CASE(
    "regions follow each other closely and none loses a tile, more threads than cores or not") {
  for (const int32_t count : {2, 5}) {
    Threads threads;
    REQUIRE(threads.create(count, false, false) == Status::ok);
    int64_t expected = 0;
    std::atomic<int64_t> sum{0};
    for (int64_t region = 0; region < 3000; ++region) {
      const int64_t tiles = region % 9;
      std::atomic<int64_t> here{0};
      threads.parallel_for(tiles, [&](int64_t tile, int32_t) { here += tile + 1; });
      sum += here;
      expected += tiles * (tiles + 1) / 2;
    }
    CHECK(sum == expected);
  }
}

TEST_CASE("the caller does all of the work itself when no worker comes") {
  Threads threads;
  REQUIRE(threads.create(2, false, false) == Status::ok);
  std::atomic<bool> release{false};
  // The worker, if it joins, is held in one tile; the caller finishes all others.
  std::atomic<int64_t> by_caller{0};
  threads.parallel_for(100, [&](int64_t, int32_t thread) {
    if (thread == 0) {
      if (++by_caller == 50) release = true;
      return;
    }
    while (!release) {
    }
  });
  CHECK(by_caller >= 50);
}

TEST_CASE("a thread begins with its own share of the tiles, the same in every region") {
  constexpr int32_t kThreads = 3;
  Threads threads;
  REQUIRE(threads.create(kThreads, true, false) == Status::ok);
  for (const int64_t tiles : {3, 7, 30}) {
    // Nobody goes on before all have begun, so nobody is free to take what is another's.
    std::atomic<int32_t> begun{0};
    std::atomic<int64_t> first[kThreads] = {-1, -1, -1};
    threads.parallel_for(tiles, [&](int64_t tile, int32_t thread) {
      int64_t none = -1;
      if (first[thread].compare_exchange_strong(none, tile)) ++begun;
      while (begun < kThreads) {
      }
    });
    for (int32_t t = 0; t < kThreads; ++t) CHECK(first[t] == tiles * t / kThreads);
  }
}

TEST_CASE("a session's threads come and go without waiting to be used") {
  for (int i = 0; i < 20; ++i) {
    Threads threads;
    REQUIRE(threads.create(3, i % 2 == 0, false) == Status::ok);
  }
}

TEST_CASE("a borrowed pool is used whole and left alive") {
  pthreadpool_t pool = pthreadpool_create(2);
  REQUIRE(pool != nullptr);
  for (int i = 0; i < 2; ++i) {
    Threads threads;
    threads.borrow(pool, false);
    CHECK(threads.count() == 2);
    CHECK(threads.pool() == pool);
    std::atomic<int64_t> sum{0};
    threads.parallel_for(10, [&](int64_t tile, int32_t) { sum += tile; });
    CHECK(sum == 45);
  }
  pthreadpool_destroy(pool);
}
