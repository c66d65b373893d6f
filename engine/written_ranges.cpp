#include "engine/written_ranges.h"

#include <algorithm>
#include <new>

namespace heed {

bool WrittenRanges::reserve(int32_t tensors, int32_t writes) {
  first_.reset(new (std::nothrow) int32_t[static_cast<size_t>(tensors)]);
  ranges_.reset(new (std::nothrow) Range[static_cast<size_t>(writes)]);
  if (!first_ || !ranges_) return false;
  tensors_ = tensors;
  capacity_ = writes;
  clear();
  return true;
}

void WrittenRanges::clear() {
  std::fill_n(first_.get(), tensors_, -1);
  used_ = 0;
}

bool WrittenRanges::add(int32_t tensor, size_t begin, size_t end) {
  int32_t before = -1, after = first_[tensor];
  while (after != -1 && ranges_[after].begin < begin) {
    before = after;
    after = ranges_[after].next;
    ++steps_;
  }
  if (before != -1 && ranges_[before].end > begin) return false;
  if (after != -1 && ranges_[after].begin < end) return false;
  if (before != -1 && ranges_[before].end == begin) {
    ranges_[before].end = end;
    if (after != -1 && ranges_[after].begin == end) {
      ranges_[before].end = ranges_[after].end;
      ranges_[before].next = ranges_[after].next;
    }
    return true;
  }
  if (after != -1 && ranges_[after].begin == end) {
    ranges_[after].begin = begin;
    return true;
  }
  if (used_ == capacity_) return false;
  ranges_[used_] = {begin, end, after};
  (before == -1 ? first_[tensor] : ranges_[before].next) = used_++;
  return true;
}

bool WrittenRanges::covers(int32_t tensor, size_t begin, size_t end) {
  int32_t at = first_[tensor];
  while (at != -1 && ranges_[at].end < end) {
    at = ranges_[at].next;
    ++steps_;
  }
  return at != -1 && ranges_[at].begin <= begin;
}

}  // namespace heed
