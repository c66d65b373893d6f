// y = x under another shape: the same bytes.

#include <cstring>
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
  return check.require(x.shape.elements() == y.shape.elements(), "a copy does not fill its output",
                       y.shape.elements(), x.shape.elements());
}

struct CopyState {
  const std::byte* x;
  std::byte* y;
  int64_t bytes;
};

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &y = info.output(0);
  new (memory) CopyState{x.as<const std::byte>(), y.as<std::byte>(),
                         x.shape.elements() * static_cast<int64_t>(element_bytes(x.type))};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const CopyState*>(memory);
  for_slices(context, state.bytes, kParallelMoveBytes, [&](int64_t first, int64_t last) {
    std::memcpy(state.y + first, state.x + first, static_cast<size_t>(last - first));
  });
}

}  // namespace

const NodeKind kCopyNode = {.name = "copy",
                            .type = fb::OpOptions::CopyOptions,
                            .state_bytes = sizeof(CopyState),
                            .verify = verify,
                            .scratch = no_scratch,
                            .arena_bytes = nullptr,
                            .prepare = prepare,
                            .run = run,
                            .destroy = nullptr,
                            .variant = move_variant,
                            .multiply_adds = nullptr};

}  // namespace heed
