// y = all inputs, one behind the other along an axis.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"

namespace heed {
namespace {

uint32_t input_count(const OpInfo& info) {
  return info.op->inputs() ? info.op->inputs()->size() : 0;
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const uint32_t count = input_count(info);
  HEED_TRY(check.require(count >= 1, "nothing to concatenate"));
  HEED_TRY(check.operands(count, count));
  const TensorView& y = info.output(0);
  HEED_TRY(check.plain(y));
  const auto axis = static_cast<int64_t>(info.options<fb::ConcatOptions>().axis());
  HEED_TRY(
      check.require(axis < y.shape.rank, "an axis lies beyond the dimensions", y.shape.rank, axis));
  int64_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const TensorView& x = info.input(i);
    HEED_TRY(check.type(x, y.type));
    HEED_TRY(check.require(x.shape.rank == y.shape.rank, "two operands differ in rank",
                           y.shape.rank, x.shape.rank));
    for (int32_t d = 0; d < y.shape.rank; ++d) {
      HEED_TRY(check.require(d == axis || x.shape.dims[d] == y.shape.dims[d],
                             "concatenated tensors differ in shape", y.shape.dims[d],
                             x.shape.dims[d]));
    }
    total += x.shape.dims[axis];
  }
  return check.require(total == y.shape.dims[axis], "concatenated tensors do not fill the output",
                       y.shape.dims[axis], total);
}

struct ConcatState {
  MoveState* parts;  // one per input
  uint32_t count;
};

size_t arena_bytes(const OpInfo& info, int32_t) { return input_count(info) * sizeof(MoveState); }

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const uint32_t count = input_count(info);
  auto* parts = context.arena.take_array<MoveState>(count);
  if (!parts) {
    return fail(context.diagnostic, Status::memory_too_small, "no room for a concatenation",
                info.index);
  }
  const TensorView& y = info.output(0);
  const auto axis = static_cast<int32_t>(info.options<fb::ConcatOptions>().axis());
  int64_t outer = 1, inner = 1, at = 0;
  for (int32_t d = 0; d < axis; ++d) outer *= y.shape.dims[d];
  for (int32_t d = axis + 1; d < y.shape.rank; ++d) inner *= y.shape.dims[d];
  const auto bytes = static_cast<int64_t>(element_bytes(y.type));
  for (uint32_t i = 0; i < count; ++i) {
    const TensorView& x = info.input(i);
    const int64_t run = x.shape.dims[axis] * inner;
    StridedCopy copy;
    copy.rank = 2;
    copy.element_bytes = element_bytes(y.type);
    copy.size[0] = outer;
    copy.src_step[0] = run;
    copy.dst_step[0] = y.shape.dims[axis] * inner;
    copy.size[1] = run;
    copy.src_step[1] = copy.dst_step[1] = 1;
    new (&parts[i]) MoveState{simplified(copy), x.data, y.as<std::byte>() + at * bytes};
    at += run;
  }
  new (memory) ConcatState{parts, count};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const ConcatState*>(memory);
  for (uint32_t i = 0; i < state.count; ++i) run_move(state.parts[i], context);
}

}  // namespace

const NodeKind kConcatNode = {.name = "concat",
                              .type = fb::OpOptions::ConcatOptions,
                              .state_bytes = sizeof(ConcatState),
                              .verify = verify,
                              .scratch = no_scratch,
                              .arena_bytes = arena_bytes,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = move_variant,
                              .multiply_adds = nullptr};

}  // namespace heed
