#include "tests/support/alloc_trap.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <atomic>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEED_TRAP_HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEED_TRAP_HOOKS 1
#endif
#endif

namespace {

std::atomic<bool> armed{false};
std::atomic<int64_t> counted{0};
std::atomic<int64_t> held{0};
std::atomic<int64_t> until_failure{-1};  // allocations; negative: none fails

[[maybe_unused]] void count_one(int64_t more_held) {
  if (!armed.load(std::memory_order_relaxed)) return;
  counted.fetch_add(1, std::memory_order_relaxed);
  held.fetch_add(more_held, std::memory_order_relaxed);
}

[[maybe_unused]] bool refused() {
  if (until_failure.load(std::memory_order_relaxed) < 0 ||
      until_failure.fetch_sub(1, std::memory_order_relaxed) != 0)
    return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

#if defined(HEED_TRAP_HOOKS)

// Declared by hand: GCC ships no header for it.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                                         void (*)(const volatile void*));
namespace {
void on_malloc(const volatile void*, size_t) { count_one(1); }
void on_free(const volatile void*) { count_one(-1); }
const bool works_here = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) != 0;
}  // namespace

#elif defined(HEED_TRAP_WRAP)

#define HEED_TRAP_NAME(name) __wrap_##name
#define HEED_TRAP_REAL(name) __real_##name
extern "C" {
void* __real_malloc(size_t);
void* __real_calloc(size_t, size_t);
void* __real_realloc(void*, size_t);
void* __real_memalign(size_t, size_t);
void __real_free(void*);
}

#elif defined(__GLIBC__)

#define HEED_TRAP_NAME(name) name
#define HEED_TRAP_REAL(name) __libc_##name
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);
}

#endif

#if defined(HEED_TRAP_NAME)

namespace {

const bool works_here = true;

void* counted_memory(void* memory) {
  if (memory != nullptr) count_one(1);
  return memory;
}

}  // namespace

// Visible to shared libraries, whatever the program's default: else operator new, which lives in
// one, would not see the trap.
#pragma GCC visibility push(default)
extern "C" {

void* HEED_TRAP_NAME(malloc)(size_t bytes) {
  return refused() ? nullptr : counted_memory(HEED_TRAP_REAL(malloc)(bytes));
}
void* HEED_TRAP_NAME(calloc)(size_t count, size_t bytes) {
  return refused() ? nullptr : counted_memory(HEED_TRAP_REAL(calloc)(count, bytes));
}
void* HEED_TRAP_NAME(realloc)(void* old, size_t bytes) {
  if (refused()) return nullptr;
  count_one(old == nullptr ? 1 : 0);
  return HEED_TRAP_REAL(realloc)(old, bytes);
}
void* HEED_TRAP_NAME(memalign)(size_t alignment, size_t bytes) {
  return refused() ? nullptr : counted_memory(HEED_TRAP_REAL(memalign)(alignment, bytes));
}
void* HEED_TRAP_NAME(aligned_alloc)(size_t alignment, size_t bytes) {
  return refused() ? nullptr : counted_memory(HEED_TRAP_REAL(memalign)(alignment, bytes));
}
int HEED_TRAP_NAME(posix_memalign)(void** out, size_t alignment, size_t bytes) {
  if (refused()) return ENOMEM;
  *out = counted_memory(HEED_TRAP_REAL(memalign)(alignment, bytes));
  return *out == nullptr ? ENOMEM : 0;
}
void HEED_TRAP_NAME(free)(void* memory) {
  if (memory != nullptr) count_one(-1);
  HEED_TRAP_REAL(free)(memory);
}

}  // extern "C"
#pragma GCC visibility pop

#elif !defined(HEED_TRAP_HOOKS)

namespace {
const bool works_here = false;
}

#endif

namespace heed::test {

AllocTrap::AllocTrap() {
  counted = held = 0;
  armed = true;
}

AllocTrap::~AllocTrap() { armed = false; }

int64_t AllocTrap::count() const { return counted; }
int64_t AllocTrap::outstanding() const { return held; }

AllocFailure::AllocFailure(int64_t nth) { until_failure = nth; }
AllocFailure::~AllocFailure() { until_failure = -1; }
bool AllocFailure::happened() const { return until_failure < 0; }

namespace {
void* volatile kept;  // so that no allocation is optimised away
}

bool AllocTrap::works() {
  if (!works_here) return false;
  const AllocTrap trap;
  kept = malloc(10);
  free(kept);
  const int64_t by_malloc = trap.count();
  int* made = new int(1);
  kept = made;
  delete made;
  return by_malloc == 2 && trap.count() == 4;
}

bool AllocFailure::works() {
#if defined(HEED_TRAP_NAME)
  const AllocFailure failure(1);
  kept = malloc(10);
  const bool first = kept != nullptr;
  free(kept);
  kept = malloc(10);
  const bool second = kept != nullptr;
  free(kept);
  return first && !second && failure.happened();
#else
  return false;
#endif
}

}  // namespace heed::test
