#pragma once
// Counts every use of the heap, on any thread, while armed. How: in ordinary programs the malloc
// family is defined here and forwards to the C library's; in fully static ones the linker wraps it
// (--wrap, set by tests/CMakeLists.txt); under a sanitizer its own hooks report. alloc_trap_test
// shows that the trap sees new, malloc, posix_memalign and what a library allocates. Save under a
// sanitizer, an allocation can also be made to fail.

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
  /// Allocations less deallocations since then; not known under a sanitizer.
  int64_t outstanding() const;

  /// Whether this program can count at all, tried out: a trap that sees nothing proves nothing.
  static bool works();
};

/// While it lives, one allocation, on whatever thread, gets no memory: the `nth` from now, 0 the
/// next.
class AllocFailure {
 public:
  explicit AllocFailure(int64_t nth);  // one at a time
  ~AllocFailure();
  AllocFailure(const AllocFailure&) = delete;
  AllocFailure& operator=(const AllocFailure&) = delete;

  /// Whether that allocation has been asked for.
  bool happened() const;

  /// Whether this program can make allocations fail.
  static bool works();
};

}  // namespace heed::test
