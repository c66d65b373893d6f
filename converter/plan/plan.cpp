#include "converter/plan/plan.h"

#include <algorithm>
#include <numeric>

#include "engine/operands.h"

namespace heed {
namespace {

constexpr int64_t kSearchSteps = 40'000'000;  // pairs of items looked at, about 0.1 s
constexpr int64_t kTriesMax = 2000;

using Order = std::vector<uint32_t>;

/// Puts items down one after another and remembers the best arrangement.
class Packer {
 public:
  explicit Packer(std::span<const PlanItem> items)
      : items_(items), bytes_(items.size()), offsets_(items.size()), best_(items.size()) {
    for (size_t i = 0; i < items.size(); ++i) bytes_[i] = round_up(items[i].bytes, kAlignment);
  }

  /// Arranges in this order; true if the peak is no higher than the best so far, which it replaces.
  bool arrange(const Order& order) {
    placed_.clear();
    size_t peak = 0;
    for (const uint32_t item : order) {
      const size_t offset = tightest_gap(item);
      offsets_[item] = offset;
      peak = std::max(peak, offset + bytes_[item]);
      if (peak > best_peak_) return false;
      const auto at =
          std::upper_bound(placed_.begin(), placed_.end(), offset,
                           [&](size_t value, uint32_t other) { return value < offsets_[other]; });
      placed_.insert(at, item);
    }
    best_peak_ = peak;
    best_ = offsets_;
    return true;
  }

  size_t best_peak() const { return best_peak_; }
  size_t best_offset(size_t item) const { return best_[item]; }
  size_t bytes(size_t item) const { return bytes_[item]; }

 private:
  size_t tightest_gap(uint32_t item) const {
    size_t end = 0, best = SIZE_MAX, best_room = SIZE_MAX;
    for (const uint32_t other : placed_) {
      if (!items_[other].life.meets(items_[item].life)) continue;
      if (offsets_[other] >= end + bytes_[item] && offsets_[other] - end < best_room) {
        best = end;
        best_room = offsets_[other] - end;
      }
      end = std::max(end, offsets_[other] + bytes_[other]);
    }
    return best == SIZE_MAX ? end : best;
  }

  std::span<const PlanItem> items_;
  std::vector<size_t> bytes_, offsets_, best_;
  Order placed_;  // by offset
  size_t best_peak_ = SIZE_MAX;
};

size_t largest_live_sum(std::span<const PlanItem> items) {
  int32_t last = -1;
  for (const PlanItem& item : items) last = std::max(last, item.life.last);
  std::vector<size_t> begins(static_cast<size_t>(last) + 3), ends(begins.size());
  for (const PlanItem& item : items) {
    begins[static_cast<size_t>(item.life.first + 1)] += round_up(item.bytes, kAlignment);
    ends[static_cast<size_t>(item.life.last + 2)] += round_up(item.bytes, kAlignment);
  }
  size_t live = 0, most = 0;
  for (size_t i = 0; i < begins.size(); ++i) {
    live = live - ends[i] + begins[i];
    most = std::max(most, live);
  }
  return most;
}

/// Orders to begin with. Large things first leaves few odd gaps; long-lived things first keeps
/// them from cutting the arena in two; first come first placed suits plain chains.
std::vector<Order> first_orders(std::span<const PlanItem> items) {
  const auto length = [&](uint32_t i) {
    return static_cast<double>(items[i].life.last - items[i].life.first + 1);
  };
  const auto size = [&](uint32_t i) { return static_cast<double>(items[i].bytes); };
  const auto start = [&](uint32_t i) { return static_cast<double>(items[i].life.first); };
  const auto ordered = [&](auto key, auto tie) {
    Order order(items.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return key(a) != key(b) ? key(a) > key(b) : tie(a) > tie(b);
    });
    return order;
  };
  return {
      ordered(size, length),
      ordered(size, [&](uint32_t i) { return -start(i); }),
      ordered(length, size),
      ordered([&](uint32_t i) { return size(i) * length(i); }, size),
      ordered([&](uint32_t i) { return -start(i); }, size),
      ordered([&](uint32_t i) { return static_cast<double>(items[i].life.last); }, size),
  };
}

// Moves one item at a time earlier in the order and keeps what does no harm.
void search(Packer& packer, Order order, size_t lower_bound) {
  const int64_t n = static_cast<int64_t>(order.size());
  const int64_t tries = std::min(kTriesMax, kSearchSteps / std::max<int64_t>(1, n * n));
  uint64_t state = 1;
  const auto random = [&](size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((state >> 33) % below);
  };
  for (int64_t i = 0; i < tries && packer.best_peak() > lower_bound && n > 1; ++i) {
    Order next = order;
    const size_t from = 1 + random(next.size() - 1), to = random(from);
    const auto begin = next.begin();
    std::rotate(begin + static_cast<ptrdiff_t>(to), begin + static_cast<ptrdiff_t>(from),
                begin + static_cast<ptrdiff_t>(from) + 1);
    if (packer.arrange(next)) order = std::move(next);
  }
}

Status check_indices(const DecodedModel& model, heed_diagnostic* diagnostic) {
  Status status = Status::ok;
  const auto check = [&](int32_t tensor) {
    if (status == Status::ok && (tensor < -1 || tensor >= model.tensor_count))
      status = fail(diagnostic, Status::bad_model, "an operand does not exist", -1, -1,
                    model.tensor_count - 1, tensor);
  };
  const auto check_list = [&](const flatbuffers::Vector<int32_t>* list) {
    for (uint32_t i = 0; i < size_of(list); ++i) check(list->Get(i));
  };
  if (model.table->entry_points() == nullptr)
    return fail(diagnostic, Status::bad_model, "the model has no entry point");
  for (const fb::EntryPoint* entry : *model.table->entry_points()) {
    check_list(entry->inputs());
    check_list(entry->outputs());
    for (uint32_t i = 0; i < size_of(entry->ops()); ++i) {
      for_each_read(*entry->ops()->Get(i), check);
      for_each_write(*entry->ops()->Get(i), check);
    }
  }
  return status;
}

PlanResult plan_entry(const DecodedModel& decoded, int32_t entry, fb::ModelT& model) {
  std::vector<Lifetime> lives(static_cast<size_t>(decoded.tensor_count));
  find_lifetimes(decoded, entry, lives);
  std::vector<PlanItem> items;
  std::vector<size_t> tensors;
  for (size_t i = 0; i < lives.size(); ++i) {
    if (!lives[i].used()) continue;
    items.push_back({decoded.places[i].bytes, lives[i], 0});
    tensors.push_back(i);
  }
  const PlanResult result = plan_items(items);
  for (size_t i = 0; i < items.size(); ++i) model.tensors[tensors[i]]->offset = items[i].offset;
  model.entry_points[static_cast<size_t>(entry)]->arena_bytes = result.arena_bytes;
  return result;
}

}  // namespace

PlanResult plan_items(std::span<PlanItem> items) {
  if (items.empty()) return {};
  const size_t lower_bound = largest_live_sum(items);
  Packer packer(items);
  Order best;
  for (const Order& order : first_orders(items)) {
    const size_t before = packer.best_peak();
    if (packer.arrange(order) && packer.best_peak() < before) best = order;
  }
  search(packer, best, lower_bound);
  for (size_t i = 0; i < items.size(); ++i) items[i].offset = packer.best_offset(i);
  return {packer.best_peak(), lower_bound};
}

Status plan_model(fb::ModelT& model, std::vector<PlanResult>* results,
                  heed_diagnostic* diagnostic) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Model::Pack(builder, &model));
  DecodedModel decoded;
  HEED_TRY(decode_tensors(flatbuffers::GetRoot<fb::Model>(builder.GetBufferPointer()), {},
                          heed_default_limits(), &decoded, diagnostic));
  HEED_TRY(check_indices(decoded, diagnostic));
  results->clear();
  for (size_t e = 0; e < model.entry_points.size(); ++e)
    results->push_back(plan_entry(decoded, static_cast<int32_t>(e), model));
  size_t state_bytes = 0;
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    if (model.tensors[i]->storage != fb::Storage::state) continue;
    model.tensors[i]->offset = state_bytes;
    state_bytes += round_up(decoded.places[i].bytes, kAlignment);
  }
  model.state_bytes = state_bytes;
  return Status::ok;
}

}  // namespace heed
