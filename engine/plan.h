#pragma once
// The static memory plan: where each tensor of an entry point lies in its arena, so that tensors
// that live at the same time never share a byte and the arena is small.
//
// A tensor lives from the op that first writes it (an entry point's inputs: from before the first
// op) to the op that last reads it (its outputs: until after the last op), both included: no op
// writes over what it still reads. A view lives in its parent and extends the parent's life.
//
// The converter plans and writes the result into the file; the engine only checks it (verify.h),
// by the same lifetimes. Planning runs on the host and uses the heap freely.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/status.h"
#include "engine/verify.h"

namespace heed {

/// Indices of ops: -1 is before the first, the number of ops after the last.
struct Lifetime {
  int32_t first = INT32_MAX;
  int32_t last = -2;

  bool used() const { return last >= first; }
  bool meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

/// Lifetimes of the arena's tensors in one entry point: lifetimes[i] for tensor i if it is a root
/// in the arena that this entry point uses, else not used(). One element for each tensor.
void find_lifetimes(const DecodedModel& model, int32_t entry_point, std::span<Lifetime> lifetimes);

struct PlanItem {
  size_t bytes = 0;
  Lifetime life;
  size_t offset = 0;  // the answer, a multiple of kAlignment
};

struct PlanResult {
  size_t arena_bytes = 0;  // the peak
  size_t lower_bound = 0;  // the largest sum of items that live at one time
};

/// Sets the offset of every item. Greedy by several orders, each item into the tightest gap that
/// fits, then a bounded seeded search around the best order; deterministic.
PlanResult plan_items(std::span<PlanItem> items);

/// Plans a model: sets the offsets of its arena and state tensors, EntryPoint.arena_bytes and
/// Model.state_bytes. Fails on a model whose structure verify.h would refuse.
Status plan_model(fb::ModelT& model, std::vector<PlanResult>* results, heed_diagnostic* diagnostic);

}  // namespace heed
