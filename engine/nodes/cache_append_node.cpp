// Rows of x join a cache at a position that is known at run time; all other rows stay.

#include <algorithm>
#include <cstring>
#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/move/index.h"
#include "ops/quantize/quantize.h"

namespace heed {
namespace {

constexpr size_t kX = 0, kPosition = 1;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(2, 2));
  const auto& o = info.options<fb::CacheAppendOptions>();
  const TensorView &x = info.input(kX), &position = info.input(kPosition), &cache = info.output(0);
  HEED_TRY(check.type(x, DataType::f32));
  HEED_TRY(check.require(is_integer(position.type) && position.shape.elements() == 1,
                         "a position must be one integer", 1, position.shape.elements()));
  if (cache.type == DataType::q8_rows) {
    HEED_TRY(check.quantised(cache));
  } else {
    HEED_TRY(check.type(cache, DataType::f32));
  }
  HEED_TRY(check.require(o.batch() >= 1 && o.rows() >= 1, "a cache is given no rows"));
  const int64_t rows = int64_t{o.batch()} * o.rows(), capacity = cache.shape.rows() / o.batch();
  HEED_TRY(check.require(x.shape.rows() == rows, "a cache is given the wrong number of rows", rows,
                         x.shape.rows()));
  HEED_TRY(check.require(cache.shape.rows() % o.batch() == 0 && capacity >= o.rows(),
                         "a cache has no room for the rows it is given", o.rows(), capacity));
  return check.require(int64_t{o.x_column()} + cache.shape.last() <= x.shape.last(),
                       "the columns of a cache lie beyond its rows", x.shape.last(),
                       int64_t{o.x_column()} + cache.shape.last());
}

struct CacheState {
  const QuantizeKernel* kernel;
  const float* x;  // of the first column
  ptrdiff_t x_step;
  Indices position;  // below capacity - rows + 1
  int32_t batch, rows, capacity, width;
  float* floats;  // null: int8
  int8_t* q;
  float* scale;
  Q8Layout q8;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) CacheState{};
  const auto& o = info.options<fb::CacheAppendOptions>();
  const TensorView &x = info.input(kX), &position = info.input(kPosition), &cache = info.output(0);
  state->kernel = context.kernels.quantize;
  state->x = x.as<const float>() + o.x_column();
  state->x_step = x.shape.last();
  state->batch = static_cast<int32_t>(o.batch());
  state->rows = static_cast<int32_t>(o.rows());
  state->capacity = static_cast<int32_t>(cache.shape.rows() / o.batch());
  state->width = cache.shape.last();
  state->position = {position.data, position.type == DataType::i64, false,
                     state->capacity - state->rows + 1};
  if (cache.type == DataType::q8_rows) {
    const Q8Layout q8 = cache.q8();
    const auto halo = static_cast<ptrdiff_t>(q8.halo);
    state->q8 = q8;
    state->q = cache.as<int8_t>() + halo * static_cast<ptrdiff_t>(q8.step);
    state->scale =
        reinterpret_cast<float*>(cache.as<std::byte>() + q8.scale_offset) + halo * q8.groups;
  } else {
    state->floats = cache.as<float>();
  }
  return Status::ok;
}

void store(const CacheState& state, int32_t batch, int64_t position) {
  const float* x = state.x + int64_t{batch} * state.rows * state.x_step;
  const int64_t row = int64_t{batch} * state.capacity + position;
  if (state.floats) {
    const size_t bytes = static_cast<size_t>(state.width) * sizeof(float);
    for (int32_t t = 0; t < state.rows; ++t)
      std::memcpy(state.floats + (row + t) * state.width, x + t * state.x_step, bytes);
    return;
  }
  const Q8Layout& q8 = state.q8;
  const auto step = static_cast<ptrdiff_t>(q8.step);
  state.kernel->quantize({x, state.x_step, nullptr, state.q + row * step, step,
                          state.scale + row * q8.groups, q8.groups, state.rows, state.width,
                          q8.group});
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const CacheState*>(memory);
  const int64_t position = state.position.raw(0);
  if (position < 0 || position >= state.position.size)
    return note_fault(context, "a cache is full, or a position lies outside of it", position);
  for (int32_t batch = 0; batch < state.batch; ++batch) store(state, batch, position);
}

const char* variant(const void* memory) {
  const auto& state = *static_cast<const CacheState*>(memory);
  return state.floats ? "move" : state.kernel->name;
}

}  // namespace

const NodeKind kCacheAppendNode = {.name = "cache_append",
                                   .type = fb::OpOptions::CacheAppendOptions,
                                   .state_bytes = sizeof(CacheState),
                                   .verify = verify,
                                   .scratch = no_scratch,
                                   .arena_bytes = nullptr,
                                   .prepare = prepare,
                                   .run = run,
                                   .destroy = nullptr,
                                   .variant = variant,
                                   .multiply_adds = nullptr};

}  // namespace heed
