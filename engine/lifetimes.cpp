#include "engine/lifetimes.h"

#include <algorithm>

#include "engine/operands.h"

namespace heed {

void find_lifetimes(const DecodedModel& model, int32_t entry_point, std::span<Lifetime> lifetimes) {
  std::fill(lifetimes.begin(), lifetimes.end(), Lifetime{});
  const fb::EntryPoint& entry =
      *model.table->entry_points()->Get(static_cast<uint32_t>(entry_point));
  const auto use = [&](int32_t tensor, int32_t when) {
    if (tensor < 0 || model.places[tensor].storage != fb::Storage::arena) return;
    Lifetime& life = lifetimes[static_cast<size_t>(model.places[tensor].root)];
    life.first = std::min(life.first, when);
    life.last = std::max(life.last, when);
  };
  if (entry.inputs() != nullptr)
    for (const int32_t tensor : *entry.inputs()) use(tensor, -1);
  const int32_t ops = static_cast<int32_t>(size_of(entry.ops()));
  for (int32_t i = 0; i < ops; ++i) {
    const fb::Op& op = *entry.ops()->Get(static_cast<uint32_t>(i));
    for_each_read(op, [&](int32_t tensor) { use(tensor, i); });
    for_each_write(op, [&](int32_t tensor) { use(tensor, i); });
  }
  if (entry.outputs() != nullptr)
    for (const int32_t tensor : *entry.outputs()) use(tensor, ops);
}

int32_t arena_owner(const fb::Model& model, int32_t entry_point) {
  const auto& entries = *model.entry_points();
  const uint32_t group = entries.Get(static_cast<uint32_t>(entry_point))->shared_arena();
  for (int32_t e = 0; group != 0 && e < entry_point; ++e)
    if (entries.Get(static_cast<uint32_t>(e))->shared_arena() == group) return e;
  return entry_point;
}

uint64_t arena_bytes_taken(const fb::Model& model, int32_t entry_point) {
  if (arena_owner(model, entry_point) != entry_point) return 0;
  const auto& entries = *model.entry_points();
  const fb::EntryPoint& own = *entries.Get(static_cast<uint32_t>(entry_point));
  uint64_t most = own.arena_bytes();
  for (const fb::EntryPoint* entry : entries)
    if (own.shared_arena() != 0 && entry->shared_arena() == own.shared_arena())
      most = std::max<uint64_t>(most, entry->arena_bytes());
  return most;
}

}  // namespace heed
