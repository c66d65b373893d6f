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

}  // namespace heed
