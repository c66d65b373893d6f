#include "engine/threads.h"

#include <pthreadpool.h>

namespace heed {
namespace {

struct Region {
  void (*call)(const void* task, int64_t tile, int32_t thread);
  const void* task;
};

void run_tile(void* region, size_t thread, size_t tile) {
  const Region& r = *static_cast<const Region*>(region);
  r.call(r.task, static_cast<int64_t>(tile), static_cast<int32_t>(thread));
}

}  // namespace

Threads::~Threads() {
  if (owned_) pthreadpool_destroy(pool_);
}

Status Threads::create(int32_t count, bool spin) {
  if (count <= 1) return Status::ok;
  pool_ = pthreadpool_create(static_cast<size_t>(count));
  if (pool_ == nullptr) return Status::out_of_memory;
  owned_ = true;
  count_ = pool_threads(pool_);
  flags_ = spin ? 0 : PTHREADPOOL_FLAG_YIELD_WORKERS;
  return Status::ok;
}

void Threads::borrow(pthreadpool* pool, bool spin) {
  count_ = pool_threads(pool);
  pool_ = count_ > 1 ? pool : nullptr;
  flags_ = spin ? 0 : PTHREADPOOL_FLAG_YIELD_WORKERS;
}

int32_t Threads::pool_threads(pthreadpool* pool) {
  return static_cast<int32_t>(pthreadpool_get_threads_count(pool));
}

void Threads::run(int64_t tiles, Task call, const void* task) const {
  Region region{call, task};
  pthreadpool_parallelize_1d_with_thread(pool_, run_tile, &region, static_cast<size_t>(tiles),
                                         flags_);
}

}  // namespace heed
