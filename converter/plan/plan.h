#pragma once
// The static memory plan: where each tensor of an entry point lies in its arena, so that tensors
// that live at the same time never share a byte and the arena is small.
//
// The converter plans and writes the result into the file; the engine only checks it (verify.h),
// by the same lifetimes (engine/lifetimes.h). Planning runs on the host and uses the heap freely.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/lifetimes.h"
#include "engine/status.h"
#include "engine/verify.h"

namespace heed {

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
