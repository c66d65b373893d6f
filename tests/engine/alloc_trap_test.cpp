// The trap itself, and what it is for: that a run uses no heap.

#include "tests/support/alloc_trap.h"

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

int64_t counted(const std::function<void()>& what) {
  const AllocTrap trap;
  what();
  return trap.count();
}

void* volatile kept;  // so that no allocation is optimised away

template <class T>
T* keep(T* memory) {
  kept = memory;
  return memory;
}

struct alignas(128) Wide {
  char bytes[128];
};

TinyModel tiny_model(const std::string& name) {
  if (name == "feed forward") return feed_forward_model(1, 70, 64);
  if (name == "attention") return attention_model(1, 75);
  if (name == "lookup") return lookup_model();
  if (name == "running sum") return running_sum_model();
  if (name == "convolution") return convolution_model();
  return two_entry_model();
}

}  // namespace

TEST_CASE("the allocation trap sees every way to the heap, or its tests mean nothing") {
  REQUIRE(AllocTrap::works());
  CHECK(counted([] {}) == 0);
  CHECK(counted([] { delete keep(new int); }) == 2);
  CHECK(counted([] { delete keep(new Wide); }) == 2);
  CHECK(counted([] { free(keep(malloc(10))); }) == 2);
  CHECK(counted([] { free(keep(calloc(10, 3))); }) == 2);
  CHECK(counted([] { free(keep(aligned_alloc(64, 128))); }) >= 1);
  CHECK(counted([] {
          void* memory = nullptr;
          if (posix_memalign(&memory, 64, 100) == 0) free(keep(memory));
        }) >= 1);
  CHECK(counted([] { keep(std::make_unique<std::string>(100, 'x')->data()); }) == 4);
  CHECK(counted([] { std::thread([] { free(keep(malloc(10))); }).join(); }) >= 2);
}

TEST_CASE("a run allocates nothing, with one thread and with two, on every kernel set") {
  REQUIRE(AllocTrap::works());
  for (const char* name :
       {"feed forward", "attention", "lookup", "running sum", "two entries", "convolution"}) {
    const AlignedBytes bytes = tiny_model(name).bytes();
    Model model;
    REQUIRE(model.open(bytes.span()) == Status::ok);
    for (const char* isa : {"reference", "native"}) {
      for (const int32_t threads : {1, 2}) {
        INFO(name << ", " << isa << ", " << threads << " threads");
        Session session;
        heed_options options{};
        options.threads = threads;
        options.isa = isa;
        REQUIRE(session.create(model, options) == Status::ok);
        const auto ids = session.input<int32_t>();
        std::fill(ids.begin(), ids.end(), 3);
        Status status = Status::ok;
        const int64_t count = counted([&] {
          for (int i = 0; i < 3 && status == Status::ok; ++i) status = session.run();
          session.reset();
        });
        CHECK(status == Status::ok);
        CHECK(count == 0);
      }
    }
  }
}

TEST_CASE("taps, profile and observer allocate nothing either once they are set") {
  const AlignedBytes bytes = attention_model().bytes();
  Model model;
  REQUIRE(model.open(bytes.span()) == Status::ok);
  Session session;
  REQUIRE(session.create(model) == Status::ok);
  heed_profile_row rows[8];
  std::vector<float> map(3 * 19 * 19);
  CHECK(counted([&] {
          heed_profile(session.get(), nullptr, rows, 8);
          heed_session_observe(
              session.get(), nullptr, [](void*, heed_session*, int32_t) {}, nullptr);
          heed_attention_tap(session.get(), nullptr, 2, -1, map.data(), map.size() * sizeof(float),
                             nullptr);
          heed_session_run(session.get(), nullptr, nullptr);
        }) == 0);
}
