// y[i, j, ..] = x[ids[i, j, ..], j, ..]: one run-time index per element, along an axis.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "ops/move/gather.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 12;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(2, 2));
  const TensorView &x = info.input(0), &ids = info.input(1), &y = info.output(0);
  HEED_TRY(check.plain(x));
  HEED_TRY(check.type(y, x.type));
  HEED_TRY(check.require(is_integer(ids.type), "ids must be int32 or int64"));
  HEED_TRY(check.same(ids.shape, y.shape));
  const int64_t axis = info.options<fb::GatherElementsOptions>().axis();
  HEED_TRY(check.require(axis < x.shape.rank && ids.shape.rank == x.shape.rank,
                         "an axis lies beyond the dimensions", x.shape.rank, axis));
  for (int32_t d = 0; d < x.shape.rank; ++d) {
    HEED_TRY(check.require(d == axis || ids.shape.dims[d] <= x.shape.dims[d],
                           "ids are larger than what they index", x.shape.dims[d],
                           ids.shape.dims[d]));
  }
  return Status::ok;
}

struct GatherElementsState {
  GatherElementsArgs args;
  int64_t elements;
};

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &ids = info.input(1);
  const auto axis = static_cast<int32_t>(info.options<fb::GatherElementsOptions>().axis());
  const MoveShape from(x.shape), to(ids.shape);
  auto* state = new (memory) GatherElementsState{};
  GatherElementsArgs& args = state->args;
  args.src = x.data;
  args.dst = info.output(0).data;
  args.ids = {ids.data, ids.type == DataType::i64, true, x.shape.dims[axis]};
  args.rank = x.shape.rank;
  args.axis = axis;
  args.element_bytes = element_bytes(x.type);
  for (int32_t d = 0; d < args.rank; ++d) {
    args.size[d] = to.size[d];
    args.src_step[d] = from.step[d];
  }
  state->elements = ids.shape.elements();
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const GatherElementsState*>(memory);
  const Indices& ids = state.args.ids;
  if (const int64_t bad = first_outside(ids, state.elements); bad >= 0) {
    note_fault(context, "an index lies outside of what it indexes", ids.raw(bad));
  }
  for_slices(context, state.elements, kParallelValues,
             [&](int64_t first, int64_t last) { run_gather_elements(state.args, first, last); });
}

}  // namespace

const NodeKind kGatherElementsNode = {.name = "gather_elements",
                                      .type = fb::OpOptions::GatherElementsOptions,
                                      .state_bytes = sizeof(GatherElementsState),
                                      .verify = verify,
                                      .scratch = no_scratch,
                                      .arena_bytes = nullptr,
                                      .prepare = prepare,
                                      .run = run,
                                      .destroy = nullptr,
                                      .variant = move_variant,
                                      .multiply_adds = nullptr};

}  // namespace heed
