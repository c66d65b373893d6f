// y[.., ids.., ..] = x[.., ids[i], ..]: whole rows of x along an axis, chosen by run-time indices.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "ops/move/gather.h"

namespace heed {
namespace {

/// The shape of a gather: x's with the axis replaced by all dimensions of ids.
bool gathered_shape(const Shape& x, const Shape& ids, int32_t axis, Shape* out) {
  out->rank = x.rank - 1 + ids.rank;
  if (out->rank > kMaxRank) return false;
  int32_t at = 0;
  for (int32_t d = 0; d < axis; ++d) out->dims[at++] = x.dims[d];
  for (int32_t d = 0; d < ids.rank; ++d) out->dims[at++] = ids.dims[d];
  for (int32_t d = axis + 1; d < x.rank; ++d) out->dims[at++] = x.dims[d];
  return true;
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(2, 2));
  const TensorView &x = info.input(0), &ids = info.input(1), &y = info.output(0);
  HEED_TRY(check.plain(x));
  HEED_TRY(check.type(y, x.type));
  HEED_TRY(check.require(is_integer(ids.type), "ids must be int32 or int64"));
  const int64_t axis = info.options<fb::GatherOptions>().axis();
  HEED_TRY(
      check.require(axis < x.shape.rank, "an axis lies beyond the dimensions", x.shape.rank, axis));
  Shape expected;
  HEED_TRY(check.require(gathered_shape(x.shape, ids.shape, static_cast<int32_t>(axis), &expected),
                         "a gather has too many dimensions", kMaxRank,
                         x.shape.rank - 1 + ids.shape.rank));
  return check.same(expected, y.shape);
}

struct GatherState {
  GatherArgs args;
  int64_t rows;
};

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const auto& options = info.options<fb::GatherOptions>();
  const TensorView &x = info.input(0), &ids = info.input(1);
  const auto axis = static_cast<int32_t>(options.axis());
  int64_t outer = 1, inner = 1;
  for (int32_t d = 0; d < axis; ++d) outer *= x.shape.dims[d];
  for (int32_t d = axis + 1; d < x.shape.rank; ++d) inner *= x.shape.dims[d];
  const int64_t count = ids.shape.elements();
  const Indices indices{ids.data, ids.type == DataType::i64, options.wrap(), x.shape.dims[axis]};
  new (memory) GatherState{{x.data, info.output(0).data, indices, count,
                            inner * static_cast<int64_t>(element_bytes(x.type))},
                           outer * count};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const GatherState*>(memory);
  const Indices& ids = state.args.ids;
  if (const int64_t bad = first_outside(ids, state.args.count); bad >= 0) {
    note_fault(context, "an index lies outside of what it indexes", ids.raw(bad));
  }
  const int64_t least = kParallelMoveBytes / std::max<int64_t>(16, state.args.row_bytes);
  for_slices(context, state.rows, std::max<int64_t>(1, least),
             [&](int64_t first, int64_t last) { run_gather(state.args, first, last); });
}

}  // namespace

const NodeKind kGatherNode = {.name = "gather",
                              .type = fb::OpOptions::GatherOptions,
                              .state_bytes = sizeof(GatherState),
                              .verify = verify,
                              .scratch = no_scratch,
                              .arena_bytes = nullptr,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = move_variant,
                              .multiply_adds = nullptr};

}  // namespace heed
