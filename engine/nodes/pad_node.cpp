// y = x with more (or, cut, fewer) elements before and behind it in each dimension.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "ops/move/pad.h"

namespace heed {
namespace {

Status verify_dimension(const OpCheck& check, fb::PadMode mode, int64_t size, int64_t padded,
                        int64_t before) {
  const int64_t after = padded - size - before;
  if (mode == fb::PadMode::constant) return Status::ok;
  HEED_TRY(check.require(size >= 1 || padded == 0, "a padding of nothing"));
  if (mode == fb::PadMode::edge) return Status::ok;
  return check.require(padded == 0 || (before < size && after < size),
                       "a mirrored padding is larger than its input", size - 1,
                       std::max(before, after));
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(1, 1));
  const TensorView &x = info.input(0), &y = info.output(0);
  HEED_TRY(check.plain(x));
  HEED_TRY(check.type(y, x.type));
  const auto& options = info.options<fb::PadOptions>();
  HEED_TRY(check.require(options.mode() <= fb::PadMode::edge, "an unknown kind of padding", 0,
                         static_cast<int64_t>(options.mode())));
  const int64_t count = options.before() ? options.before()->size() : 0;
  HEED_TRY(check.require(x.shape.rank >= 1 && y.shape.rank == x.shape.rank && count == x.shape.rank,
                         "a padding needs one number for each dimension", x.shape.rank, count));
  for (int32_t d = 0; d < x.shape.rank; ++d) {
    HEED_TRY(verify_dimension(check, options.mode(), x.shape.dims[d], y.shape.dims[d],
                              options.before()->Get(static_cast<uint32_t>(d))));
  }
  return Status::ok;
}

struct PadState {
  PadArgs args;
  uint64_t value;  // one element, in its first bytes
  int64_t rows;
};

Status prepare(const OpInfo& info, PrepareContext&, void* memory) {
  const TensorView &x = info.input(0), &y = info.output(0);
  const auto& options = info.options<fb::PadOptions>();
  auto* state = new (memory) PadState{};
  PadArgs& args = state->args;
  args.src = x.data;
  args.dst = y.data;
  args.kind = static_cast<PadKind>(options.mode());
  args.rank = x.shape.rank;
  args.element_bytes = element_bytes(x.type);
  for (int32_t d = 0; d < args.rank; ++d) {
    args.src_size[d] = x.shape.dims[d];
    args.dst_size[d] = y.shape.dims[d];
    args.before[d] = options.before()->Get(static_cast<uint32_t>(d));
  }
  const float value = options.value();
  cast_elements(&value, CastType::f32, &state->value, cast_type(x.type), 1);
  args.value = &state->value;
  state->rows = y.shape.rows();
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const PadState*>(memory);
  const PadArgs& args = state.args;
  const int64_t row_bytes = args.dst_size[args.rank - 1] * static_cast<int64_t>(args.element_bytes);
  const int64_t least = kParallelMoveBytes / std::max<int64_t>(64, row_bytes);
  for_slices(context, state.rows, std::max<int64_t>(1, least),
             [&](int64_t first, int64_t last) { run_pad(args, first, last); });
}

}  // namespace

const NodeKind kPadNode = {.name = "pad",
                           .type = fb::OpOptions::PadOptions,
                           .state_bytes = sizeof(PadState),
                           .verify = verify,
                           .scratch = no_scratch,
                           .arena_bytes = nullptr,
                           .prepare = prepare,
                           .run = run,
                           .destroy = nullptr,
                           .variant = move_variant,
                           .multiply_adds = nullptr};

}  // namespace heed
