#pragma once
// Indices that come from data: checked once against the size they index, then trusted.

#include <stddef.h>
#include <stdint.h>

namespace heed {

/// Run-time indices of either width, and how they are read.
struct Indices {
  const void* data;  // int32 or int64, aligned for its type
  bool is_64_bit;
  bool wrap;     // negative ones count from the end
  int64_t size;  // of what they index

  /// Index i, or -1 where it lies outside.
  int64_t at(int64_t i) const {
    int64_t id = raw(i);
    if (wrap && id < 0) id += size;
    return id >= 0 && id < size ? id : -1;
  }
  int64_t raw(int64_t i) const {
    return is_64_bit ? static_cast<const int64_t*>(data)[i] : static_cast<const int32_t*>(data)[i];
  }
};

/// Position of the first of `count` indices that lies outside, or -1.
inline int64_t first_outside(const Indices& indices, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (indices.at(i) < 0) return i;
  }
  return -1;
}

}  // namespace heed
