// y = x, repeated as NumPy broadcasts it to y's shape.

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
  return check.require(broadcasts_to(x.shape, y.shape), "a shape does not broadcast to the output",
                       y.shape.elements(), x.shape.elements());
}

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &y = info.output(0);
  const MoveShape from(x.shape), to(y.shape);
  StridedCopy copy;
  copy.rank = y.shape.rank;
  copy.element_bytes = element_bytes(x.type);
  for (int32_t d = 0; d < copy.rank; ++d) {
    const int32_t in = d - (y.shape.rank - x.shape.rank);
    copy.size[d] = to.size[d];
    copy.dst_step[d] = to.step[d];
    copy.src_step[d] = in < 0 || from.size[in] == 1 ? 0 : from.step[in];
  }
  new (memory) MoveState{simplified(copy), x.data, y.data};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  run_move(*static_cast<const MoveState*>(memory), context);
}

}  // namespace

const NodeKind kExpandNode = {.name = "expand",
                              .type = fb::OpOptions::ExpandOptions,
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
