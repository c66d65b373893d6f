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
  HEED_TRY(check.require(o.batch() >= 1 && o.rows() >= 1, "a cache is given no rows"));
  if (is_cache(cache.type)) {
    HEED_TRY(check.cache(cache, cache.type, o.batch(), cache.shape.rows() / o.batch()));
  } else {
    HEED_TRY(check.floats_for_cache(cache));
  }
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
  std::byte* panels;
  CachedPart part;
  CacheLayout layout;
};

/// Rows that are quantised before they are put where they belong: a block of the panels.
constexpr int32_t kRowsAtOnce = kCachedPanelRows;
constexpr int64_t kParallelElements = 1 << 15;

ScratchNeed scratch(const OpInfo& info, int32_t) {
  const TensorView& cache = info.output(0);
  ScratchNeed need;
  if (!is_cache(cache.type)) return need;
  const auto width = static_cast<size_t>(cache.shape.last());
  need.per_thread = kRowsAtOnce * (width + width / cache.group * sizeof(float));
  return need;
}

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
  if (is_cache(cache.type)) {
    state->panels = cache.as<std::byte>();
    state->part = cache.type == DataType::q8_keys ? CachedPart::keys : CachedPart::values;
    state->layout = cache.cache();
  } else {
    state->floats = cache.as<float>();
  }
  return Status::ok;
}

/// Rows of quantised values with a scale for each head, as the quantiser leaves them.
struct QuantisedRows {
  const int8_t* q;
  const float* scale;
  int32_t rows;
};

void put(const CacheState& state, int32_t batch, int32_t position, const QuantisedRows& x) {
  const CacheLayout& layout = state.layout;
  for (int32_t head = 0; head < layout.heads; ++head) {
    std::byte* panel = state.panels + layout.panel_offset(batch, head);
    put_cached_rows(state.part, {x.q + head * layout.width, state.width, x.rows, layout.width},
                    position, reinterpret_cast<int8_t*>(panel));
    auto* scale = reinterpret_cast<float*>(panel + layout.scale_offset) + position;
    for (int32_t r = 0; r < x.rows; ++r) scale[r] = x.scale[r * layout.heads + head];
  }
}

void store_floats(const CacheState& state, int32_t batch, int32_t position) {
  const float* x = state.x + int64_t{batch} * state.rows * state.x_step;
  const int64_t row = int64_t{batch} * state.capacity + position;
  const size_t bytes = static_cast<size_t>(state.width) * sizeof(float);
  for (int32_t t = 0; t < state.rows; ++t)
    std::memcpy(state.floats + (row + t) * state.width, x + t * state.x_step, bytes);
}

void store_int8(const CacheState& state, RunContext& context, int32_t batch, int32_t position) {
  const float* x = state.x + int64_t{batch} * state.rows * state.x_step;
  const int32_t in_block = position % kRowsAtOnce, end = position + state.rows;
  const int64_t elements = int64_t{state.rows} * state.width;
  const int32_t threads = elements < kParallelElements ? 1 : context.threads.count();
  const int32_t blocks = (in_block + state.rows + kRowsAtOnce - 1) / kRowsAtOnce;
  for_tiles(context, threads, blocks, [&](int64_t block, int32_t thread) {
    auto* q = reinterpret_cast<int8_t*>(context.scratch(thread));
    auto* scale = reinterpret_cast<float*>(q + int64_t{kRowsAtOnce} * state.width);
    const int32_t begin = position - in_block + static_cast<int32_t>(block) * kRowsAtOnce;
    const int32_t at = std::max(begin, position);
    const int32_t rows = std::min(begin + kRowsAtOnce, end) - at;
    state.kernel->quantize({x + (at - position) * state.x_step, state.x_step, nullptr, q,
                            state.width, scale, state.layout.heads, rows, state.width,
                            state.layout.width});
    put(state, batch, at, {q, scale, rows});
  });
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const CacheState*>(memory);
  const int64_t position = state.position.raw(0);
  if (position < 0 || position >= state.position.size)
    return note_fault(context, "a cache is full, or a position lies outside of it", position);
  const auto at = static_cast<int32_t>(position);
  for (int32_t batch = 0; batch < state.batch; ++batch) {
    state.floats ? store_floats(state, batch, at) : store_int8(state, context, batch, at);
  }
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
                                   .scratch = scratch,
                                   .arena_bytes = nullptr,
                                   .prepare = prepare,
                                   .run = run,
                                   .destroy = nullptr,
                                   .variant = variant,
                                   .multiply_adds = nullptr};

}  // namespace heed
