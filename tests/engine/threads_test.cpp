#include "engine/threads.h"

#include <pthreadpool.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <vector>

using namespace heed;

TEST_CASE("one thread is no pool: tiles run inline and in order") {
  Threads threads;
  REQUIRE(threads.create(1, false) == Status::ok);
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
    REQUIRE(threads.create(3, spin) == Status::ok);
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
