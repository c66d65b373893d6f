// y[i_0, i_1, ..] = x with its dimensions permuted: size of y's dimension d is x's permutation[d].

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
  const auto* permutation = info.options<fb::TransposeOptions>().permutation();
  HEED_TRY(check.permutation(permutation, x.shape));
  HEED_TRY(check.require(y.shape.rank == x.shape.rank, "a transpose has the wrong shape",
                         x.shape.rank, y.shape.rank));
  for (int32_t d = 0; d < x.shape.rank; ++d) {
    const int32_t size = x.shape.dims[permutation->Get(static_cast<uint32_t>(d))];
    HEED_TRY(check.require(y.shape.dims[d] == size, "a transpose has the wrong shape", size,
                           y.shape.dims[d]));
  }
  return Status::ok;
}

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &y = info.output(0);
  const auto* permutation = info.options<fb::TransposeOptions>().permutation();
  const MoveShape from(x.shape), to(y.shape);
  StridedCopy copy;
  copy.rank = x.shape.rank;
  copy.element_bytes = element_bytes(x.type);
  for (int32_t d = 0; d < copy.rank; ++d) {
    copy.size[d] = to.size[d];
    copy.dst_step[d] = to.step[d];
    copy.src_step[d] = from.step[permutation->Get(static_cast<uint32_t>(d))];
  }
  new (memory) MoveState{simplified(copy), x.data, y.data};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  run_move(*static_cast<const MoveState*>(memory), context);
}

}  // namespace

const NodeKind kTransposeNode = {.name = "transpose",
                                 .type = fb::OpOptions::TransposeOptions,
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
