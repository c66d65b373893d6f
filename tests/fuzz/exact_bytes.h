#pragma once
// Memory that ends where it was asked to end.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "engine/heed.h"

namespace heed::test {

/// Exactly as many bytes as asked for, aligned to 64: a step beyond is seen.
class ExactBytes {
 public:
  explicit ExactBytes(size_t size) : size_(size) {
    void* memory = nullptr;
    if (posix_memalign(&memory, HEED_ALIGNMENT, size) != 0) abort();
    memory_.reset(static_cast<std::byte*>(memory));
  }
  std::span<std::byte> span() const { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_;
};

}  // namespace heed::test
