#include "engine/xnnpack/xnnpack_memory.h"

#include <xnnpack.h>

#include <cstdlib>

namespace heed {
namespace {

thread_local Arena* scope_arena = nullptr;

void* allocate(void*, size_t bytes) {
  return scope_arena ? scope_arena->take(bytes) : std::malloc(bytes);
}

// The operators we use grow nothing while a scope is alive.
void* reallocate(void*, void* pointer, size_t bytes) {
  if (!scope_arena) return std::realloc(pointer, bytes);
  return pointer ? nullptr : scope_arena->take(bytes);
}

void deallocate(void*, void* pointer) {
  if (!scope_arena) std::free(pointer);
}

void* aligned_allocate(void*, size_t alignment, size_t bytes) {
  if (scope_arena) return alignment <= kAlignment ? scope_arena->take(bytes) : nullptr;
  return std::aligned_alloc(alignment, round_up(bytes, alignment));
}

constexpr xnn_allocator kAllocator = {nullptr,    allocate,         reallocate,
                                      deallocate, aligned_allocate, deallocate};

}  // namespace

Status initialize_xnnpack(heed_diagnostic* diagnostic) {
  if (xnn_initialize(&kAllocator) == xnn_status_success) return Status::ok;
  return fail(diagnostic, Status::unsupported,
              "XNNPACK, which computes convolutions, does not know this machine (on ARM it reads "
              "/sys/devices/system/cpu)");
}

XnnpackScope::XnnpackScope(Arena& arena) { scope_arena = &arena; }
XnnpackScope::~XnnpackScope() { scope_arena = nullptr; }

}  // namespace heed
