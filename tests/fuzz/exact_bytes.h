#pragma once
// Memory that ends where it was asked to end.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "engine/heed.h"

#if defined(__SANITIZE_ADDRESS__)
#define HEED_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEED_TEST_ASAN 1
#endif
#endif
#ifdef HEED_TEST_ASAN
#include <sanitizer/asan_interface.h>
#endif

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

/// A file that is cut shorter in place, not copied for each cut: a large one can be cut at every
/// byte. Under AddressSanitizer a step beyond the cut is seen.
class ShrinkingBytes {
 public:
  explicit ShrinkingBytes(std::span<const uint8_t> from)
      : room_((from.size() + HEED_ALIGNMENT) / HEED_ALIGNMENT * HEED_ALIGNMENT) {
    std::memcpy(room_.span().data(), from.data(), from.size());
  }
  ~ShrinkingBytes() {
#ifdef HEED_TEST_ASAN
    ASAN_UNPOISON_MEMORY_REGION(room_.span().data(), room_.span().size());
#endif
  }
  ShrinkingBytes(const ShrinkingBytes&) = delete;
  ShrinkingBytes& operator=(const ShrinkingBytes&) = delete;

  /// No longer than the last one.
  std::span<const std::byte> cut(size_t size) {
#ifdef HEED_TEST_ASAN
    const auto beyond = room_.span().subspan(size);
    ASAN_POISON_MEMORY_REGION(beyond.data(), beyond.size());
#endif
    return room_.span().first(size);
  }

 private:
  ExactBytes room_;
};

}  // namespace heed::test
