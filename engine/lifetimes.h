#pragma once
// When each tensor of an entry point must keep its bytes, and in which arena: the rules that the
// planner (converter/plan), verify_plan and sessions share.
//
// A tensor lives from the op that first writes it (an entry point's inputs: from before the first
// op) to the op that last reads it (its outputs: until after the last op), both included: no op
// writes over what it still reads. A view lives in its parent and extends the parent's life.

#include <cstdint>
#include <span>

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

/// Where an entry point's arena comes from: itself, or the first one that shares it; and what that
/// one takes, which is as much as the largest of them.
int32_t arena_owner(const fb::Model& model, int32_t entry_point);
uint64_t arena_bytes_taken(const fb::Model& model, int32_t entry_point);

}  // namespace heed
