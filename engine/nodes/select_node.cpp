// y = condition ? a : b with NumPy broadcast.

#include <new>

#include "engine/nodes/broadcast.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/elementwise/elementwise.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(3, 3));
  const TensorView &condition = info.input(0), &a = info.input(1), &b = info.input(2);
  const TensorView& y = info.output(0);
  HEED_TRY(check.type(condition, DataType::boolean));
  HEED_TRY(check.plain(a));
  HEED_TRY(check.type(b, a.type));
  HEED_TRY(check.type(y, a.type));
  Shape two, all;
  HEED_TRY(check.require(
      broadcast_shapes(a.shape, b.shape, &two) && broadcast_shapes(condition.shape, two, &all),
      "three operands do not broadcast"));
  return check.same(all, y.shape);
}

struct SelectState {
  const ElementwiseKernel* kernel;
  DataType type;
  const uint8_t* condition;
  const std::byte* a;
  const std::byte* b;
  std::byte* y;
  Broadcast walk;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const TensorView &condition = info.input(0), &a = info.input(1), &b = info.input(2);
  const TensorView& y = info.output(0);
  const Shape* shapes[] = {&condition.shape, &a.shape, &b.shape};
  new (memory) SelectState{context.kernels.elementwise,       a.type,
                           condition.as<const uint8_t>(),     a.as<const std::byte>(),
                           b.as<const std::byte>(),           y.as<std::byte>(),
                           make_broadcast(y.shape, shapes, 3)};
  return Status::ok;
}

void run_one(const SelectState& s, int64_t begin, int64_t n, const int64_t* from) {
  const auto bytes = static_cast<int64_t>(element_bytes(s.type));
  const uint8_t* condition = s.condition + from[0];
  const std::byte *a = s.a + from[1] * bytes, *b = s.b + from[2] * bytes;
  std::byte* y = s.y + begin * bytes;
  const int32_t steps[] = {s.walk.run_step(0), s.walk.run_step(1), s.walk.run_step(2)};
  if (s.type == DataType::f32) {
    s.kernel->select({condition, reinterpret_cast<const float*>(a),
                      reinterpret_cast<const float*>(b), steps[0], steps[1], steps[2],
                      reinterpret_cast<float*>(y), n});
  } else {
    select_bytes({condition, a, b, steps[0], steps[1], steps[2], y, n}, static_cast<size_t>(bytes));
  }
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const SelectState*>(memory);
  for_slices(context, state.walk.elements(), kParallelValues, [&](int64_t first, int64_t last) {
    for_runs(state.walk, first, last, [&](int64_t begin, int64_t n, const int64_t* from) {
      run_one(state, begin, n, from);
    });
  });
}

const char* variant(const void* memory) {
  return static_cast<const SelectState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kSelectNode = {.name = "select",
                              .type = fb::OpOptions::SelectOptions,
                              .state_bytes = sizeof(SelectState),
                              .verify = verify,
                              .scratch = no_scratch,
                              .arena_bytes = nullptr,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = variant,
                              .multiply_adds = nullptr};

}  // namespace heed
