#pragma once
// One stream of work on a model: everything a run touches, carved at creation out of one block of
// memory. In order: the session itself, its tensors, entry points, nodes and tap slots, then each
// node's prepared state, the state area, an arena for each entry point, and scratch. That is last
// because XNNPACK reads a little beyond a tensor (engine/xnnpack/xnnpack_convolution.h).

#include <cstddef>
#include <cstdint>

#include "engine/heed.h"
#include "engine/model.h"
#include "engine/node.h"
#include "engine/threads.h"
#include "ops/kernel_set.h"

namespace heed {

/// An op made ready.
struct SessionNode {
  const NodeKind* kind;
  void* state;
  std::byte* memory;  // arena_bytes of its own, for prepare to hand out
  size_t memory_bytes;
  AttentionTapRequest* taps;  // heads + 1 slots for an attention op, none for others
  int32_t tap_count;          // slots in use, the first ones
  int32_t tap_capacity;
  bool prepared;
};

struct SessionEntry {
  SessionNode* nodes;
  int32_t node_count;
  std::byte* arena;
  heed_profile_row* profile;  // null: not timed
  heed_observer observer;     // null: nobody looks
  void* observer_user;
};

/// What heed_options come to. `isa` is not looked at where only memory is asked for.
struct SessionOptions {
  int32_t threads = 1;
  pthreadpool* pool = nullptr;
  bool spin = false;
  IsaSet isa;
};

/// Null where there is no entry point of that name; null names the first.
SessionEntry* session_entry(heed_session& session, const char* name);

}  // namespace heed

struct heed_session {
  const heed_model* model;
  heed::KernelSet kernels;
  heed::Threads threads;
  heed::TensorView* tensors;  // of the whole model, with their memory
  heed::SessionEntry* entries;
  std::byte* state;
  std::byte* shared;
  std::byte* per_thread;
  size_t per_thread_step;
  size_t bytes;
  void* owned_memory;  // null: the caller's
};
