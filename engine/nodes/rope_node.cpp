// Rotary positions: the heads of each row are turned by the angles of its position.

#include <algorithm>
#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/move/index.h"
#include "ops/rope/rope.h"

namespace heed {
namespace {

constexpr size_t kX = 0, kAngles = 1, kPosition = 2;
constexpr int64_t kParallelValues = 1 << 14;
constexpr uint32_t kSizeMax = 1u << 20;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(2, 3));
  const auto& o = info.options<fb::RopeOptions>();
  const TensorView &x = info.input(kX), &angles = info.input(kAngles), &y = info.output(0);
  HEED_TRY(check.type(x, DataType::f32));
  HEED_TRY(check.type(angles, DataType::f32));
  HEED_TRY(check.type(y, DataType::f32));
  HEED_TRY(check.require(o.batch() >= 1 && o.batch() <= kSizeMax && o.rows() >= 1 &&
                             o.rows() <= kSizeMax && o.heads() >= 1 && o.heads() <= kSizeMax &&
                             o.head_width() >= 1 && o.head_width() <= kSizeMax,
                         "rotary positions have a size out of range"));
  const int64_t rows = int64_t{o.batch()} * o.rows();
  const int64_t width = int64_t{o.heads()} * o.head_width();
  HEED_TRY(check.require(x.shape.last() >= 1 && x.shape.rows() == rows && y.shape.last() == width &&
                             y.shape.rows() == rows,
                         "rotary positions are given the wrong number of rows", rows,
                         x.shape.rows()));
  HEED_TRY(check.require(int64_t{o.x_column()} + width <= x.shape.last(),
                         "the heads to turn lie beyond their rows", x.shape.last(),
                         int64_t{o.x_column()} + width));
  const int64_t turned = angles.shape.last();
  HEED_TRY(check.require(turned >= 2 && turned % 2 == 0 && turned <= o.head_width(),
                         "the angles do not fit the heads", o.head_width(), turned));
  HEED_TRY(check.require(angles.shape.rows() >= o.rows() && angles.shape.rows() <= INT32_MAX,
                         "there are fewer angles than rows", o.rows(), angles.shape.rows()));
  if (!info.has_input(kPosition)) return Status::ok;
  const TensorView& position = info.input(kPosition);
  return check.require(is_integer(position.type) && position.shape.elements() == 1,
                       "a position must be one integer", 1, position.shape.elements());
}

struct RopeState {
  const RopeKernel* kernel;
  RopeArgs args;     // of row 0 of batch 0 at position 0
  Indices position;  // data null: 0
  int32_t batch;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) RopeState{};
  const auto& o = info.options<fb::RopeOptions>();
  const TensorView &x = info.input(kX), &angles = info.input(kAngles), &y = info.output(0);
  state->kernel = context.kernels.rope;
  state->batch = static_cast<int32_t>(o.batch());
  state->args = {x.as<const float>() + o.x_column(),
                 x.shape.last(),
                 y.as<float>(),
                 y.shape.last(),
                 angles.as<const float>(),
                 static_cast<int32_t>(o.rows()),
                 static_cast<int32_t>(o.heads()),
                 static_cast<int32_t>(o.head_width()),
                 angles.shape.last() / 2,
                 o.interleaved()};
  if (info.has_input(kPosition)) {
    const TensorView& position = info.input(kPosition);
    state->position = {position.data, position.type == DataType::i64, false,
                       angles.shape.rows() - o.rows() + 1};
  }
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const RopeState*>(memory);
  const RopeArgs& a = state.args;
  int64_t position = 0;
  if (state.position.data) {
    position = state.position.raw(0);
    if (position < 0 || position >= state.position.size)
      return note_fault(context, "a position lies beyond the model's last", position);
  }
  const int64_t width = int64_t{a.heads} * a.head_width;
  const int64_t least = std::max<int64_t>(1, kParallelValues / width);
  for_slices(context, int64_t{state.batch} * a.rows, least, [&](int64_t first, int64_t last) {
    while (first < last) {  // rows of one batch at a time
      const int64_t row = first % a.rows, count = std::min(last - first, a.rows - row);
      RopeArgs part = a;
      part.x += first * a.x_step;
      part.y += first * a.y_step;
      part.angles += (position + row) * 2 * a.half;
      part.rows = static_cast<int32_t>(count);
      state.kernel->rotate(part);
      first += count;
    }
  });
}

const char* variant(const void* memory) {
  return static_cast<const RopeState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kRopeNode = {.name = "rope",
                            .type = fb::OpOptions::RopeOptions,
                            .state_bytes = sizeof(RopeState),
                            .verify = verify,
                            .scratch = no_scratch,
                            .arena_bytes = nullptr,
                            .prepare = prepare,
                            .run = run,
                            .destroy = nullptr,
                            .variant = variant,
                            .multiply_adds = nullptr};

}  // namespace heed
