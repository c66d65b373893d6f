#pragma once
// Counts every use of the heap, on any thread, while armed. How: in ordinary programs the malloc
// family is defined here and forwards to the C library's; in fully static ones the linker wraps it
// (--wrap, set by tests/CMakeLists.txt); under a sanitizer its own hooks report. alloc_trap_test
// shows that the trap sees new, malloc, posix_memalign and what a library allocates.

#include <cstdint>

namespace heed::test {

class AllocTrap {
 public:
  AllocTrap();   // arms; one at a time
  ~AllocTrap();  // disarms
  AllocTrap(const AllocTrap&) = delete;
  AllocTrap& operator=(const AllocTrap&) = delete;

  /// Allocations and deallocations since it was armed.
  int64_t count() const;

  /// Whether this program can count at all, tried out: a trap that sees nothing proves nothing.
  static bool works();
};

}  // namespace heed::test
