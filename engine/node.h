#pragma once
// One operation of a model, made ready. `prepare` resolves everything that is known at load into a
// plain struct; `run` only computes. One op, one file under nodes/; node_table.cpp lists them.

#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/status.h"
#include "engine/tensor.h"
#include "engine/threads.h"
#include "ops/kernel_set.h"

namespace heed {

/// Scratch memory of one op while it runs: `shared` bytes for all threads together and
/// `per_thread` bytes for each. Depends on shapes alone, never on the ISA.
struct ScratchNeed {
  size_t shared = 0;
  size_t per_thread = 0;
};

/// An op as it stands in the file, its tensors decoded. Valid while the model lives.
struct OpInfo {
  const fb::Op* op;
  int32_t index;              // in its entry point
  const TensorView* tensors;  // of the whole model; data is null before a session binds it

  bool has_input(size_t i) const;  // present and not -1
  const TensorView& input(size_t i) const;
  bool has_output(size_t i) const;
  const TensorView& output(size_t i) const;
  const TensorView* optional(int32_t tensor) const;  // null for -1: operands named in options
  template <class Options>
  const Options& options() const {
    return *static_cast<const Options*>(op->options());
  }
};

/// What a node may use at preparation. Memory from `arena` lives as long as the session.
struct PrepareContext {
  Arena& arena;
  const KernelSet& kernels;  // lives as long as the session
  int32_t threads;
  heed_diagnostic* diagnostic;
};

/// Where a run-time fault is noted (the first one wins); checked by the executor after each op.
struct RunFault {
  const char* what = nullptr;
  int64_t value = 0;
};

/// A request to see an attention map: see heed_attention_tap in heed.h.
struct AttentionTapRequest {
  int32_t op_index;
  int32_t head;  // -1: all
  float* map;    // [batch][heads or 1][queries][keys]
};

struct RunContext {
  Threads& threads;
  std::byte* shared;      // 64-byte aligned; ScratchNeed.shared of this op at least
  std::byte* per_thread;  // thread i owns per_thread + i * per_thread_step
  size_t per_thread_step;
  const AttentionTapRequest* taps;  // of the running op only
  int32_t tap_count;
  RunFault fault;

  std::byte* scratch(int32_t thread) const {
    return per_thread + static_cast<size_t>(thread) * per_thread_step;
  }
};

/// One kind of op: how to check, size, prepare and run it.
struct NodeKind {
  const char* name;  // "linear"
  fb::OpOptions type;
  size_t state_bytes;  // of the prepared struct, 64-byte aligned when handed over

  /// Meaning: operand counts, types, shapes, attribute ranges, so that prepare and run may trust
  /// them. Must accept any bytes that passed the FlatBuffers verifier. Uses no tensor data pointers
  /// but those of constants.
  Status (*verify)(const OpInfo& info, heed_diagnostic* diagnostic);
  ScratchNeed (*scratch)(const OpInfo& info, int32_t threads);  // info is verified
  /// Bytes it will take from PrepareContext.arena beyond state_bytes, each take rounded up to
  /// kAlignment; null: none. prepare gets exactly these.
  size_t (*arena_bytes)(const OpInfo& info, int32_t threads);
  Status (*prepare)(const OpInfo& info, PrepareContext& context, void* state);
  void (*run)(const void* state, RunContext& context);
  void (*destroy)(void* state);  // null: nothing to free
  /// The kernel variant that run() executes, for reports: "avx512vnni".
  const char* (*variant)(const void* state);
  /// Multiply-adds of one run, for reports; null: not counted.
  int64_t (*multiply_adds)(const OpInfo& info);
  /// run() hands Threads::pool() to a library: the session makes one.
  bool uses_pool = false;
};

/// The kind for an op's options; null when this build does not know it.
const NodeKind* node_kind(fb::OpOptions type);

}  // namespace heed
