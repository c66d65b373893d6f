#include "engine/arena.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/support/guarded_buffer.h"

using namespace heed;

TEST_CASE("a counting arena and a real one agree about every byte") {
  Arena counter;
  CHECK(counter.take(1) == nullptr);
  CHECK(counter.take(64) == nullptr);
  CHECK(counter.take_array<double>(9) == nullptr);
  CHECK(counter.used() == 64 + 64 + 128);
  CHECK(counter.ok());

  test::GuardedBuffer<std::byte> memory(counter.used());
  Arena arena(memory.data(), memory.bytes());
  CHECK(arena.take(1) == memory.data());
  CHECK(arena.take(64) == memory.data() + 64);
  CHECK(static_cast<void*>(arena.take_array<double>(9)) == memory.data() + 128);
  CHECK(arena.used() == counter.used());
  CHECK(arena.take(1) == nullptr);
  CHECK_FALSE(arena.ok());
}

TEST_CASE("a sealed arena gives nothing more") {
  alignas(64) std::byte memory[256];
  Arena arena(memory, sizeof memory);
  CHECK(arena.take(10) != nullptr);
  arena.seal();
  CHECK(arena.take(10) == nullptr);
  CHECK(arena.used() == 64);
}

TEST_CASE("sizes that leave size_t are refused, not wrapped") {
  Arena counter;
  CHECK(counter.take_array<uint64_t>(SIZE_MAX / 4) == nullptr);
  CHECK_FALSE(counter.ok());
  Arena other;
  other.take(SIZE_MAX - 100);
  CHECK(other.ok());
  other.take(100);
  CHECK_FALSE(other.ok());
}
