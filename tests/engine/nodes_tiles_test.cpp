#include <catch2/catch_test_macros.hpp>
#include <cstdlib>

#include "engine/nodes/tiles.h"

using namespace heed;

TEST_CASE("panels hold every row once, none is empty, none larger than its scratch") {
  for (const int32_t most : {12, 24, 48, 96}) {
    for (const int64_t threads : {1, 2, 3, 4, 8}) {
      for (int64_t rows = 1; rows < 400; ++rows) {
        CAPTURE(most, threads, rows);
        const Panels panels = Panels::at_most(most, rows, threads);
        int64_t next = 0;
        bool good = true;
        for (int64_t p = 0; p < panels.count; ++p) {
          good &= panels.begin(p) == next && panels.size(p) >= 1 && panels.size(p) <= most;
          next += panels.size(p);
        }
        if (!good || next != rows) FAIL("a panel is wrong");
      }
    }
  }
}

TEST_CASE("threads get equal numbers of rows, and the same ones whatever the panels' size") {
  for (const int64_t threads : {2, 3, 4}) {
    for (int64_t rows = 24 * threads; rows < 400; ++rows) {
      CAPTURE(threads, rows);
      const Panels wide = Panels::at_most(12, rows, threads);
      const Panels narrow = Panels::at_most(48, rows, threads);
      REQUIRE(wide.count % threads == 0);
      REQUIRE(narrow.count % threads == 0);
      for (int64_t t = 0; t < threads; ++t) {
        const int64_t begin = narrow.begin(narrow.count / threads * t);
        const int64_t end = narrow.begin(narrow.count / threads * (t + 1));
        REQUIRE(begin == wide.begin(wide.count / threads * t));
        REQUIRE(std::abs((end - begin) * threads - rows) <= 2 * threads);
      }
    }
  }
}
