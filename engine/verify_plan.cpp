// The third pass: the plan keeps tensors apart that live at the same time.

#include <algorithm>
#include <new>

#include "engine/lifetimes.h"
#include "engine/verify.h"

namespace heed {
namespace {

/// The tensors alive at one point of the walk, sorted by offset. Neighbours do not overlap.
class LiveTensors {
 public:
  LiveTensors(const TensorPlace* places, int32_t* storage) : places_(places), live_(storage) {}

  /// -1, or the tensor that `tensor` would overlap.
  int32_t insert(int32_t tensor) {
    int32_t* const at = position(tensor);
    int32_t* const end = live_ + count_;
    const size_t begin = places_[tensor].offset;
    if (at != end && places_[*at].offset < begin + places_[tensor].bytes) return *at;
    if (at != live_ && places_[at[-1]].offset + places_[at[-1]].bytes > begin) return at[-1];
    std::copy_backward(at, end, end + 1);
    *at = tensor;
    ++count_;
    return -1;
  }
  void remove(int32_t tensor) {
    int32_t* const at = position(tensor);
    std::copy(at + 1, live_ + count_, at);
    --count_;
  }

 private:
  int32_t* position(int32_t tensor) const {
    return std::lower_bound(live_, live_ + count_, tensor, [&](int32_t a, int32_t b) {
      return places_[a].offset < places_[b].offset;
    });
  }

  const TensorPlace* places_;
  int32_t* live_;
  int32_t count_ = 0;
};

/// Scratch memory of the pass, one element for each tensor in every array.
struct PlanScratch {
  std::unique_ptr<Lifetime[]> lifetimes;
  std::unique_ptr<int32_t[]> by_first, by_last, live;

  bool allocate(size_t tensors) {
    lifetimes.reset(new (std::nothrow) Lifetime[tensors]);
    by_first.reset(new (std::nothrow) int32_t[tensors]);
    by_last.reset(new (std::nothrow) int32_t[tensors]);
    live.reset(new (std::nothrow) int32_t[tensors]);
    return lifetimes && by_first && by_last && live;
  }
};

Status refuse(const DecodedModel& model, const char* what, int32_t tensor, int64_t expected,
              int64_t actual, heed_diagnostic* diagnostic) {
  const Status status = fail(diagnostic, Status::bad_plan, what, -1, tensor, expected, actual);
  set_where(diagnostic, model.tensors[tensor].name);
  return status;
}

Status check_inside(const DecodedModel& model, int32_t tensor, uint64_t area,
                    heed_diagnostic* diagnostic) {
  const TensorPlace& place = model.places[tensor];
  if (place.offset % kAlignment != 0)
    return refuse(model, "the plan places a tensor misaligned", tensor, 0,
                  static_cast<int64_t>(place.offset), diagnostic);
  if (place.bytes > area || place.offset > area - place.bytes)
    return refuse(model, "the plan places a tensor outside", tensor, static_cast<int64_t>(area),
                  static_cast<int64_t>(place.offset + place.bytes), diagnostic);
  return Status::ok;
}

Status check_arena(const DecodedModel& model, int32_t entry_point, PlanScratch& scratch,
                   heed_diagnostic* diagnostic) {
  const size_t tensors = static_cast<size_t>(model.tensor_count);
  const std::span<Lifetime> lives(scratch.lifetimes.get(), tensors);
  find_lifetimes(model, entry_point, lives);
  const auto life = [&](int32_t tensor) -> const Lifetime& {
    return lives[static_cast<size_t>(tensor)];
  };
  const fb::EntryPoint& entry =
      *model.table->entry_points()->Get(static_cast<uint32_t>(entry_point));
  int32_t count = 0;
  for (int32_t i = 0; i < model.tensor_count; ++i) {
    if (!life(i).used()) continue;
    HEED_TRY(check_inside(model, i, entry.arena_bytes(), diagnostic));
    scratch.by_first[count] = scratch.by_last[count] = i;
    ++count;
  }
  int32_t* const first = scratch.by_first.get();
  int32_t* const last = scratch.by_last.get();
  const auto sort_by = [&](int32_t Lifetime::*end, int32_t* order) {
    std::sort(order, order + count,
              [&](int32_t a, int32_t b) { return life(a).*end < life(b).*end; });
  };
  sort_by(&Lifetime::first, first);
  sort_by(&Lifetime::last, last);
  LiveTensors live(model.places.get(), scratch.live.get());
  int32_t gone = 0;
  for (int32_t i = 0; i < count; ++i) {
    while (life(last[gone]).last < life(first[i]).first) live.remove(last[gone++]);
    const int32_t other = live.insert(first[i]);
    if (other != -1)
      return refuse(model, "the plan lets two tensors overlap that live at the same time", first[i],
                    0, other, diagnostic);
  }
  return Status::ok;
}

// State lives always.
Status check_state(const DecodedModel& model, PlanScratch& scratch, heed_diagnostic* diagnostic) {
  LiveTensors live(model.places.get(), scratch.live.get());
  for (int32_t i = 0; i < model.tensor_count; ++i) {
    const TensorPlace& place = model.places[i];
    if (place.storage != fb::Storage::state || place.root != i) continue;
    HEED_TRY(check_inside(model, i, model.table->state_bytes(), diagnostic));
    const int32_t other = live.insert(i);
    if (other != -1)
      return refuse(model, "the plan lets two state tensors overlap", i, 0, other, diagnostic);
  }
  return Status::ok;
}

}  // namespace

Status verify_plan(const DecodedModel& model, const Limits& limits, heed_diagnostic* diagnostic) {
  const uint64_t limit = limits.session_bytes < 0 ? 0 : static_cast<uint64_t>(limits.session_bytes);
  uint64_t total = model.table->state_bytes();
  const int32_t entries = static_cast<int32_t>(model.table->entry_points()->size());
  for (int32_t e = 0; e < entries; ++e) {
    // Checked one by one, so that the sum cannot wrap.
    const uint64_t bytes = arena_bytes_taken(*model.table, e);
    if (bytes > limit) total = UINT64_MAX;
    if (total <= limit) total += bytes;
  }
  if (total > limit || total > SIZE_MAX / 8)
    return fail(diagnostic, Status::limit_exceeded, "a session needs more memory than the limit",
                -1, -1, static_cast<int64_t>(limit),
                static_cast<int64_t>(std::min<uint64_t>(total, INT64_MAX)));
  PlanScratch scratch;
  if (!scratch.allocate(static_cast<size_t>(model.tensor_count)))
    return fail(diagnostic, Status::out_of_memory, "no memory to verify the file");
  for (int32_t e = 0; e < entries; ++e) HEED_TRY(check_arena(model, e, scratch, diagnostic));
  return check_state(model, scratch, diagnostic);
}

}  // namespace heed
