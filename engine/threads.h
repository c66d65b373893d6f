#pragma once
// One way to share tiles among threads, whoever owns them: none for one thread, workers of the
// session's own, or a pthreadpool that the caller brings. Floating-point modes are left alone.

#include <cstddef>
#include <cstdint>

#include "engine/status.h"
#include "engine/worker_pool.h"

struct pthreadpool;

namespace heed {

class Threads {
 public:
  Threads() = default;
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  /// `count` threads, the caller's among them, or as many as the system grants: one at least.
  /// `spin`: workers look longer for work before they sleep. `library_pool`: pool() is wanted, and
  /// made. No other function here may allocate.
  Status create(int32_t count, bool spin, bool library_pool);
  /// All threads of a pool of somebody else's that outlives this object.
  void borrow(pthreadpool* pool, bool spin);
  static int32_t pool_threads(pthreadpool* pool);

  int32_t count() const { return count_; }

  /// For libraries that take a pool; null with one thread or where none was wanted.
  pthreadpool* pool() const { return pool_; }

  /// Calls f(tile, thread) once for every tile 0 .. tiles-1, in any order, on count() threads at
  /// most, and returns when all are done. thread is in 0 .. count()-1 and the same for no two calls
  /// at one time. Runs inline, in order, with one thread or one tile. Not from within itself.
  template <class F>
  void parallel_for(int64_t tiles, const F& f) {
    if (count_ <= 1 || tiles <= 1) {
      for (int64_t tile = 0; tile < tiles; ++tile) f(tile, int32_t{0});
      return;
    }
    const auto call = [](const void* task, int64_t tile, int32_t thread) {
      (*static_cast<const F*>(task))(tile, thread);
    };
    run(tiles, call, &f);
  }

 private:
  void run(int64_t tiles, WorkerPool::Task call, const void* task);

  WorkerPool workers_;
  pthreadpool* pool_ = nullptr;
  int32_t count_ = 1;
  uint32_t flags_ = 0;
  bool borrowed_ = false;
};

}  // namespace heed
