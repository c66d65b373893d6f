#pragma once
// Hands out one block of memory front to back. Nothing is ever given back. A sealed arena refuses:
// from then on the session's memory is what it is.

#include <cstddef>
#include <cstdint>

#include "engine/tensor.h"

namespace heed {

class Arena {
 public:
  /// Counts only: take() returns null, used() tells what a real arena needs for the same calls.
  Arena() = default;
  /// `memory` is kAlignment-aligned and outlives whatever is taken from it.
  Arena(std::byte* memory, size_t bytes) : memory_(memory), capacity_(bytes) {}

  /// kAlignment-aligned, not cleared. Null when it does not fit, when the arena is sealed, or when
  /// it only counts. Takes round_up(bytes, kAlignment).
  void* take(size_t bytes);

  template <class T>
  T* take_array(size_t count) {
    return count > SIZE_MAX / sizeof(T) ? static_cast<T*>(refuse())
                                        : static_cast<T*>(take(count * sizeof(T)));
  }

  void seal() { sealed_ = true; }
  bool counting() const { return memory_ == nullptr; }
  /// False once anything has been refused; in a counting arena, once the sum left size_t.
  bool ok() const { return ok_; }
  size_t used() const { return used_; }

 private:
  void* refuse();

  std::byte* memory_ = nullptr;
  size_t capacity_ = SIZE_MAX;
  size_t used_ = 0;
  bool sealed_ = false;
  bool ok_ = true;
};

}  // namespace heed
