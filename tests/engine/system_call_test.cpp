// A run with one thread makes no system call at all: shown by a process that the kernel would kill
// for one.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "engine/heed.hpp"
#include "tests/support/system_call_trap.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

TEST_CASE("a run with one thread makes no system call") {
  if (const char* why = why_system_calls_go_unseen()) SKIP(why);
  const AlignedBytes files[] = {feed_forward_model().bytes(), attention_model().bytes(),
                                lookup_model().bytes(), running_sum_model().bytes(),
                                convolution_model().bytes()};
  for (const AlignedBytes& bytes : files) {
    Model model;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    Session session;
    REQUIRE(session.create(model) == Status::ok);
    const auto ids = session.input<int32_t>();
    std::fill(ids.begin(), ids.end(), 3);
    CHECK(end_without_system_calls([&] {
            return session.run() == Status::ok && session.run() == Status::ok;
          }) == Ending::good);
  }
}
