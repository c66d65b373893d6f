// y[i_0, ..] = x[start_0 + i_0 * step_0, ..]; steps may be negative.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"

namespace heed {
namespace {

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(1, 1));
  const TensorView &x = info.input(0), &y = info.output(0);
  HEED_TRY(check.plain(x));
  HEED_TRY(check.type(y, x.type));
  const auto& options = info.options<fb::SliceOptions>();
  const auto rank = static_cast<uint32_t>(x.shape.rank);
  const auto size_of = [](const flatbuffers::Vector<int32_t>* v) { return v ? v->size() : 0u; };
  HEED_TRY(check.require(y.shape.rank == x.shape.rank && size_of(options.starts()) == rank &&
                             size_of(options.steps()) == rank,
                         "a slice needs a start and a step for each dimension", rank,
                         size_of(options.starts())));
  for (uint32_t d = 0; d < rank; ++d) {
    const int64_t size = x.shape.dims[d], count = y.shape.dims[d];
    const int64_t start = options.starts()->Get(d), step = options.steps()->Get(d);
    const int64_t end = start + (count - 1) * step;
    HEED_TRY(check.require(step != 0, "a slice's step is zero", 0, d));
    HEED_TRY(check.require(count == 0 || (start >= 0 && start < size && end >= 0 && end < size),
                           "a slice lies outside of its input", size, end));
  }
  return Status::ok;
}

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &y = info.output(0);
  const auto& options = info.options<fb::SliceOptions>();
  const MoveShape from(x.shape), to(y.shape);
  StridedCopy copy;
  copy.rank = x.shape.rank;
  copy.element_bytes = element_bytes(x.type);
  int64_t first = 0;
  for (int32_t d = 0; d < copy.rank; ++d) {
    const auto i = static_cast<uint32_t>(d);
    copy.size[d] = to.size[d];
    copy.dst_step[d] = to.step[d];
    copy.src_step[d] = from.step[d] * options.steps()->Get(i);
    first += from.step[d] * options.starts()->Get(i);
  }
  const bool empty = copy.elements() == 0;
  const std::byte* src = x.as<const std::byte>();
  new (memory)
      MoveState{simplified(copy),
                empty ? src : src + first * static_cast<int64_t>(copy.element_bytes), y.data};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  run_move(*static_cast<const MoveState*>(memory), context);
}

}  // namespace

const NodeKind kSliceNode = {.name = "slice",
                             .type = fb::OpOptions::SliceOptions,
                             .state_bytes = sizeof(MoveState),
                             .verify = verify,
                             .scratch = no_scratch,
                             .arena_bytes = nullptr,
                             .prepare = prepare,
                             .run = run,
                             .destroy = nullptr,
                             .variant = move_variant,
                             .multiply_adds = nullptr};

}  // namespace heed
