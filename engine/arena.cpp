#include "engine/arena.h"

namespace heed {

void* Arena::refuse() {
  ok_ = false;
  return nullptr;
}

void* Arena::take(size_t bytes) {
  if (sealed_ || !ok_ || bytes > SIZE_MAX - (kAlignment - 1)) return refuse();
  const size_t rounded = round_up(bytes, kAlignment);
  if (rounded > capacity_ - used_) return refuse();
  void* taken = counting() ? nullptr : memory_ + used_;
  used_ += rounded;
  return taken;
}

}  // namespace heed
