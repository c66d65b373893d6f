#pragma once
// Memory with an unmapped page on each side, so that a read or write past the named elements is a
// fault at once and not a silent success.

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <span>

namespace heed::test {

enum class Guard {
  back,   // the buffer's last byte is the last before an unmapped page
  front,  // the buffer's first byte is the first after an unmapped page
};

/// `count` elements of T, zeroed, touching the guard page of the chosen side. `shift_bytes` moves
/// them away from that page, for misaligned pointers (up to shift_bytes of an overrun then go
/// unseen).
template <typename T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t count, Guard side = Guard::back, size_t shift_bytes = 0)
      : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t used = count * sizeof(T) + shift_bytes;
    const size_t inner = (used + page - 1) / page * page;
    mapped_bytes_ = inner + 2 * page;
    void* base = mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<uint8_t*>(base);
    if (inner > 0 && mprotect(base_ + page, inner, PROT_READ | PROT_WRITE) != 0) {
      munmap(base_, mapped_bytes_);
      throw std::bad_alloc();
    }
    uint8_t* first = base_ + page + (side == Guard::back ? inner - used : shift_bytes);
    data_ = reinterpret_cast<T*>(first);
  }
  ~GuardedBuffer() { munmap(base_, mapped_bytes_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  std::span<T> span() { return {data_, count_}; }
  void fill_bytes(uint8_t value) { memset(data_, value, bytes()); }

 private:
  uint8_t* base_ = nullptr;
  size_t mapped_bytes_ = 0;
  T* data_ = nullptr;
  size_t count_;
};

}  // namespace heed::test
