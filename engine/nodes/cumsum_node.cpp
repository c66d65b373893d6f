// Running sums along an axis.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "ops/move/running_sum.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 13;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(1, 1));
  const TensorView &x = info.input(0), &y = info.output(0);
  HEED_TRY(check.require(x.type == DataType::f32 || is_integer(x.type),
                         "running sums are not known for this type", 0,
                         static_cast<int64_t>(x.type)));
  HEED_TRY(check.type(y, x.type));
  HEED_TRY(check.same(x.shape, y.shape));
  const int64_t axis = info.options<fb::CumsumOptions>().axis();
  return check.require(axis < x.shape.rank, "an axis lies beyond the dimensions", x.shape.rank,
                       axis);
}

struct CumsumState {
  RunningSumArgs args;
  DataType type;
  const void* x;
  void* y;
};

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const auto& options = info.options<fb::CumsumOptions>();
  const TensorView& x = info.input(0);
  const auto axis = static_cast<int32_t>(options.axis());
  RunningSumArgs args{1, x.shape.dims[axis], 1, options.exclusive(), options.reverse()};
  for (int32_t d = 0; d < axis; ++d) args.outer *= x.shape.dims[d];
  for (int32_t d = axis + 1; d < x.shape.rank; ++d) args.inner *= x.shape.dims[d];
  new (memory) CumsumState{args, x.type, x.data, info.output(0).data};
  return Status::ok;
}

template <class T>
void run_part(const CumsumState& s, const RunningSumArgs& args, int64_t at) {
  running_sum(static_cast<const T*>(s.x) + at, static_cast<T*>(s.y) + at, args);
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const CumsumState*>(memory);
  const int64_t plane = state.args.n * state.args.inner;
  const int64_t least = std::max<int64_t>(1, kParallelValues / std::max<int64_t>(1, plane));
  for_slices(context, state.args.outer, least, [&](int64_t first, int64_t last) {
    RunningSumArgs args = state.args;
    args.outer = last - first;
    switch (state.type) {
      case DataType::f32:
        return run_part<float>(state, args, first * plane);
      case DataType::i32:
        return run_part<int32_t>(state, args, first * plane);
      default:
        return run_part<int64_t>(state, args, first * plane);
    }
  });
}

}  // namespace

const NodeKind kCumsumNode = {.name = "cumsum",
                              .type = fb::OpOptions::CumsumOptions,
                              .state_bytes = sizeof(CumsumState),
                              .verify = verify,
                              .scratch = no_scratch,
                              .arena_bytes = nullptr,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = move_variant,
                              .multiply_adds = nullptr};

}  // namespace heed
