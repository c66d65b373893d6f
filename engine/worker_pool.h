#pragma once
// Threads that help when they can. A region of tiles is worked off by the calling thread and by
// every worker that is awake in time; the caller never waits for a worker that has not begun, so a
// starved worker costs nothing but its help. (A pool whose caller waits for all its threads to
// check in, pthreadpool's among them, runs slower than one thread does on a busy machine.)
//
// Every thread has a share of the tiles, the same part of every region, and takes tiles of others'
// shares when its own is done: in op after op a thread finds in its cache the rows that it wrote.
//
// Idle workers look out for the next region for a moment, then sleep. No heap; the only system
// calls are to wake, to wait and, at the two ends, to create and join threads.

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/heed.h"

namespace heed {

class WorkerPool {
 public:
  using Task = void (*)(const void* task, int64_t tile, int32_t thread);

  WorkerPool() = default;
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// `workers` threads beside the caller's, or as many of them as the system grants, which is the
  /// answer. Once in a life.
  int32_t start(int32_t workers, bool spin);

  /// call(task, tile, thread) for tiles 0 .. tiles-1, each once, returning when all are done.
  /// thread is 0 for the caller, 1 .. workers for the others. One region at a time.
  void run(int64_t tiles, Task call, const void* task);

 private:
  struct Worker {
    WorkerPool* pool;
    pthread_t handle;
  };
  /// The tiles of one thread's share that are taken: the region's number in the upper half, so that
  /// whoever comes first can tell that nobody has.
  struct alignas(64) Share {
    std::atomic<uint64_t> taken{0};
  };
  static constexpr uint32_t kOpen = 1u << 31;

  static void* enter(void* worker);
  void work(int32_t thread);
  uint32_t next_region(uint32_t seen) const;
  bool join();
  void take_tiles(int32_t thread);

  // The region. Written by the caller while the gate is closed and nobody is inside.
  Task call_ = nullptr;
  const void* task_ = nullptr;
  int64_t tiles_ = 0;
  uint32_t region_ = 0;  // its number

  // Each on a line of its own: all threads write the first two.
  alignas(64) std::atomic<uint32_t> gate_{0};   // kOpen while workers may join, and how many did
  alignas(64) std::atomic<uint32_t> left_{0};   // how many of those are through
  alignas(64) std::atomic<uint32_t> epoch_{0};  // regions begun; what workers sleep on
  std::atomic<bool> stopping_{false};
  int64_t idle_ns_ = 0;
  int32_t worker_count_ = 0;
  Worker workers_[HEED_MAX_THREADS - 1];
  Share shares_[HEED_MAX_THREADS];
};

}  // namespace heed
