#include "engine/worker_pool.h"

namespace heed {
namespace {

// Looks before a worker sleeps, or the caller does while the last tiles are finished: some ten
// microseconds, the price of a sleep and a wake. A pause takes 40 to 140 cycles on x86, one on ARM.
#if defined(__x86_64__) || defined(__i386__)
constexpr int32_t kLooks = 1000;
inline void pause() { __builtin_ia32_pause(); }
#else
constexpr int32_t kLooks = 10000;
inline void pause() {
#if defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}
#endif
constexpr int32_t kPatience = 50;  // times as long when asked to spin

}  // namespace

bool WorkerPool::start(int32_t workers, bool spin) {
  idle_looks_ = spin ? kPatience * kLooks : kLooks;
  for (worker_count_ = 0; worker_count_ < workers; ++worker_count_) {
    Worker& worker = workers_[worker_count_];
    worker.pool = this;
    if (pthread_create(&worker.handle, nullptr, enter, &worker) != 0) return false;
  }
  return true;
}

WorkerPool::~WorkerPool() {
  stopping_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (int32_t i = 0; i < worker_count_; ++i) pthread_join(workers_[i].handle, nullptr);
}

void* WorkerPool::enter(void* memory) {
  const Worker* worker = static_cast<const Worker*>(memory);
  worker->pool->work(static_cast<int32_t>(worker - worker->pool->workers_) + 1);
  return nullptr;
}

void WorkerPool::work(int32_t thread) {
  for (uint32_t seen = 0;;) {
    seen = next_region(seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!join()) continue;
    take_tiles(thread);
    left_.fetch_add(1, std::memory_order_release);
    left_.notify_one();
  }
}

uint32_t WorkerPool::next_region(uint32_t seen) const {
  for (int32_t i = 0; i < idle_looks_; ++i) {
    const uint32_t now = epoch_.load(std::memory_order_acquire);
    if (now != seen) return now;
    pause();
  }
  epoch_.wait(seen, std::memory_order_acquire);
  return epoch_.load(std::memory_order_acquire);
}

// A worker that comes late finds the gate closed, or is let into a later region: both are well.
bool WorkerPool::join() {
  uint32_t gate = gate_.load(std::memory_order_relaxed);
  while ((gate & kOpen) != 0)
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire,
                                    std::memory_order_relaxed))
      return true;
  return false;
}

void WorkerPool::take_tiles(int32_t thread) {
  for (int64_t tile; (tile = next_.fetch_add(1, std::memory_order_relaxed)) < tiles_;)
    call_(task_, tile, thread);
}

void WorkerPool::run(int64_t tiles, Task call, const void* task) {
  call_ = call;
  task_ = task;
  tiles_ = tiles;
  next_.store(0, std::memory_order_relaxed);
  left_.store(0, std::memory_order_relaxed);
  gate_.store(kOpen, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  take_tiles(0);
  const uint32_t joined = gate_.exchange(0, std::memory_order_relaxed) & ~kOpen;
  for (int32_t i = 0; i < kLooks; ++i) {
    if (left_.load(std::memory_order_acquire) == joined) return;
    pause();
  }
  for (uint32_t left; (left = left_.load(std::memory_order_acquire)) != joined;)
    left_.wait(left, std::memory_order_relaxed);
}

}  // namespace heed
