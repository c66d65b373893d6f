#include "engine/worker_pool.h"

#include "engine/profile.h"

namespace heed {
namespace {

// How long a thread looks before it sleeps. To wake one takes some 50 us: shorter looks lose the
// workers in the gaps between the ops of a small model, longer ones burn what a busy machine lacks.
constexpr int64_t kIdleNs = 100'000;
constexpr int64_t kIdleSpinningNs = 2'000'000;
constexpr int64_t kLastTilesNs = 50'000;
constexpr int32_t kLooksPerClock = 32;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield");
#endif
}

/// True as soon as ready() is, false after `ns`.
template <class Ready>
bool look_out(int64_t ns, const Ready& ready) {
  const int64_t end = now_ns() + ns;
  do {
    for (int32_t i = 0; i < kLooksPerClock; ++i) {
      if (ready()) return true;
      pause();
    }
  } while (now_ns() < end);
  return false;
}

}  // namespace

int32_t WorkerPool::start(int32_t workers, bool spin) {
  idle_ns_ = spin ? kIdleSpinningNs : kIdleNs;
  for (worker_count_ = 0; worker_count_ < workers; ++worker_count_) {
    Worker& worker = workers_[worker_count_];
    worker.pool = this;
    if (pthread_create(&worker.handle, nullptr, enter, &worker) != 0) break;
  }
  return worker_count_;
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
  const auto moved = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
  if (!look_out(idle_ns_, moved)) epoch_.wait(seen, std::memory_order_acquire);
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
  const int32_t threads = worker_count_ + 1;
  int32_t owner = thread;
  do {
    std::atomic<uint64_t>& taken = shares_[owner].taken;
    uint64_t seen = taken.load(std::memory_order_relaxed);
    if (seen >> 32 != region_)
      taken.compare_exchange_strong(seen, uint64_t{region_} << 32, std::memory_order_relaxed);
    const int64_t begin = tiles_ * owner / threads;
    if (++owner == threads) owner = 0;
    const int64_t end = owner == 0 ? tiles_ : tiles_ * owner / threads;
    while (true) {
      const uint64_t before = taken.fetch_add(1, std::memory_order_relaxed);
      const int64_t tile = begin + static_cast<uint32_t>(before);
      if (tile >= end) break;
      call_(task_, tile, thread);
    }
  } while (owner != thread);
}

void WorkerPool::run(int64_t tiles, Task call, const void* task) {
  call_ = call;
  task_ = task;
  tiles_ = tiles;
  ++region_;
  left_.store(0, std::memory_order_relaxed);
  gate_.store(kOpen, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  take_tiles(0);
  const uint32_t joined = gate_.exchange(0, std::memory_order_relaxed) & ~kOpen;
  const auto all_left = [&] { return left_.load(std::memory_order_acquire) == joined; };
  if (all_left() || look_out(kLastTilesNs, all_left)) return;
  for (uint32_t left; (left = left_.load(std::memory_order_acquire)) != joined;)
    left_.wait(left, std::memory_order_relaxed);
}

}  // namespace heed
