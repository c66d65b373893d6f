#pragma once
// A pool of threads behind three functions; and no pool at all for one thread. The pool's own
// threads sleep between parallel regions unless asked to spin. Floating-point modes are left alone.

#include <cstddef>
#include <cstdint>

#include "engine/status.h"

struct pthreadpool;

namespace heed {

class Threads {
 public:
  Threads() = default;
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  /// Threads of its own, the caller's among them. May allocate; so may no other function here.
  Status create(int32_t count, bool spin);
  /// All threads of a pool of somebody else's that outlives this object.
  void borrow(pthreadpool* pool, bool spin);
  static int32_t pool_threads(pthreadpool* pool);

  int32_t count() const { return count_; }

  /// For libraries that take a pool: null with one thread.
  pthreadpool* pool() const { return pool_; }

  /// Calls f(tile, thread) once for every tile 0 .. tiles-1, in any order, on count() threads at
  /// most, and returns when all are done. thread is in 0 .. count()-1 and the same for no two calls
  /// at one time. Runs inline, in order, with one thread or one tile. Not from within itself.
  template <class F>
  void parallel_for(int64_t tiles, const F& f) const {
    if (pool_ == nullptr || tiles <= 1) {
      for (int64_t tile = 0; tile < tiles; ++tile) f(tile, int32_t{0});
      return;
    }
    run(
        tiles,
        [](const void* task, int64_t tile, int32_t thread) {
          (*static_cast<const F*>(task))(tile, thread);
        },
        &f);
  }

 private:
  using Task = void (*)(const void* task, int64_t tile, int32_t thread);
  void run(int64_t tiles, Task call, const void* task) const;

  pthreadpool* pool_ = nullptr;
  int32_t count_ = 1;
  uint32_t flags_ = 0;
  bool owned_ = false;
};

}  // namespace heed
