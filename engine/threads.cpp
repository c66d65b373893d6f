#include "engine/threads.h"

#include <pthreadpool.h>

namespace heed {
namespace {

struct Region {
  WorkerPool::Task call;
  const void* task;
};

void run_tile(void* region, size_t thread, size_t tile) {
  const Region& r = *static_cast<const Region*>(region);
  r.call(r.task, static_cast<int64_t>(tile), static_cast<int32_t>(thread));
}

}  // namespace

Threads::~Threads() {
  if (!borrowed_) pthreadpool_destroy(pool_);
}

Status Threads::create(int32_t count, bool spin, bool library_pool) {
  if (count <= 1) return Status::ok;
  count_ = 1 + workers_.start(count - 1, spin);
  if (!library_pool || count_ == 1) return Status::ok;
  // pthreadpool waits for ever for a thread that the system has refused: it is given no more than
  // could be had a moment ago.
  const int32_t granted = 1 + WorkerPool().start(count_ - 1, false);
  if (granted == 1) return Status::ok;
  pool_ = pthreadpool_create(static_cast<size_t>(granted));
  return pool_ != nullptr ? Status::ok : Status::out_of_memory;
}

void Threads::borrow(pthreadpool* pool, bool spin) {
  count_ = pool_threads(pool);
  pool_ = count_ > 1 ? pool : nullptr;
  flags_ = spin ? 0 : PTHREADPOOL_FLAG_YIELD_WORKERS;
  borrowed_ = true;
}

int32_t Threads::pool_threads(pthreadpool* pool) {
  return static_cast<int32_t>(pthreadpool_get_threads_count(pool));
}

void Threads::run(int64_t tiles, WorkerPool::Task call, const void* task) {
  if (!borrowed_) {
    workers_.run(tiles, call, task);
    return;
  }
  Region region{call, task};
  pthreadpool_parallelize_1d_with_thread(pool_, run_tile, &region, static_cast<size_t>(tiles),
                                         flags_);
}

}  // namespace heed
