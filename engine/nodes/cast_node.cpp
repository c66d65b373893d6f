// y = x in another element type.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(1, 1));
  HEED_TRY(check.plain(info.input(0)));
  HEED_TRY(check.plain(info.output(0)));
  return check.same(info.input(0).shape, info.output(0).shape);
}

struct CastState {
  const std::byte* x;
  std::byte* y;
  DataType from, to;
  int64_t n;
};

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &y = info.output(0);
  new (memory)
      CastState{x.as<const std::byte>(), y.as<std::byte>(), x.type, y.type, x.shape.elements()};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& s = *static_cast<const CastState*>(memory);
  for_slices(context, s.n, kParallelValues, [&](int64_t first, int64_t last) {
    cast_elements(s.x + first * static_cast<int64_t>(element_bytes(s.from)), cast_type(s.from),
                  s.y + first * static_cast<int64_t>(element_bytes(s.to)), cast_type(s.to),
                  last - first);
  });
}

}  // namespace

const NodeKind kCastNode = {.name = "cast",
                            .type = fb::OpOptions::CastOptions,
                            .state_bytes = sizeof(CastState),
                            .verify = verify,
                            .scratch = no_scratch,
                            .arena_bytes = nullptr,
                            .prepare = prepare,
                            .run = run,
                            .destroy = nullptr,
                            .variant = move_variant,
                            .multiply_adds = nullptr};

}  // namespace heed
