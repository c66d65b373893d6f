// core = softmax(scale * q k^T + mask) v for each batch and head, then the row epilogue.
//
// First the threads pack the keys and values of every (batch, kv head) into shared scratch; then
// each takes blocks of query rows, runs all heads of a block side by side and finishes its rows in
// the cache. With too few rows for that the threads share the heads instead, and the rows are
// finished in a last phase.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "engine/nodes/few_queries.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/row_epilogue.h"
#include "engine/nodes/tiles.h"
#include "ops/attention/attention.h"
#include "ops/cached_attention/cached_attention.h"
#include "ops/move/index.h"
#include "ops/reduce/reduce.h"

namespace heed {
namespace {

constexpr size_t kQ = 0, kK = 1, kV = 2, kMask = 3, kLength = 4;
constexpr int64_t kParallelWork = 1
                                  << 18;  // multiply-adds below which threads are not worth waking
constexpr int64_t kSizeMax = INT32_MAX / 4;

struct AttentionShape {
  int32_t batch, queries, keys, heads, kv_heads, head_width, value_width;
  bool cached;  // keys and values are caches of int8
  int32_t width() const { return heads * value_width; }
  int64_t rows() const { return int64_t{batch} * queries; }
  /// Queries that share keys are few: see few_queries.h.
  bool few() const {
    return int64_t{queries} * (heads / kv_heads) <= (cached ? kFewQueriesCached : kFewQueries);
  }
  int64_t multiply_adds() const {
    return rows() * keys * heads * (int64_t{head_width} + value_width);
  }
  size_t keys_bytes() const { return attention_keys_bytes(keys, head_width); }
  size_t values_bytes() const { return attention_values_bytes(keys, value_width); }
  size_t packed_bytes() const {
    if (few()) return 0;
    return static_cast<size_t>(batch) * static_cast<size_t>(kv_heads) *
           (keys_bytes() + values_bytes());
  }
};

AttentionShape shape_of(const OpInfo& info) {
  const auto& o = info.options<fb::AttentionOptions>();
  const uint32_t value_width = o.value_width() ? o.value_width() : o.head_width();
  return {static_cast<int32_t>(o.batch()),    static_cast<int32_t>(o.queries()),
          static_cast<int32_t>(o.keys()),     static_cast<int32_t>(o.heads()),
          static_cast<int32_t>(o.kv_heads()), static_cast<int32_t>(o.head_width()),
          static_cast<int32_t>(value_width),  is_cache(info.input(kK).type)};
}

Status verify_sizes(const OpCheck& check, const fb::AttentionOptions& o) {
  const int64_t value_width = o.value_width() ? o.value_width() : o.head_width();
  HEED_TRY(check.require(o.batch() >= 1 && o.queries() >= 1 && o.heads() >= 1 &&
                             o.batch() <= kSizeMax && o.queries() <= kSizeMax &&
                             o.heads() <= kSizeMax &&
                             static_cast<int64_t>(o.batch()) * o.queries() <= kSizeMax,
                         "attention without queries or heads"));
  HEED_TRY(check.require(o.keys() >= 1 && o.keys() <= kAttentionKeysMax,
                         "attention over too many keys or none", kAttentionKeysMax, o.keys()));
  HEED_TRY(check.require(o.head_width() >= 1 && o.head_width() <= kAttentionWidthMax,
                         "attention heads are too wide", kAttentionWidthMax, o.head_width()));
  HEED_TRY(check.require(
      value_width <= kSizeMax && static_cast<int64_t>(o.heads()) * value_width <= kSizeMax,
      "attention values are too wide", kSizeMax, value_width));
  HEED_TRY(check.require(o.kv_heads() >= 1 && o.heads() % o.kv_heads() == 0,
                         "attention heads do not share their keys evenly", o.heads(),
                         o.kv_heads()));
  HEED_TRY(check.require(std::isfinite(o.scale()) && o.scale() > 0,
                         "the scale of attention must be positive"));
  const int64_t first_query = o.first_query();
  HEED_TRY(check.require(
      first_query == -1 || (first_query >= 0 && first_query + o.queries() <= o.keys()),
      "attention's queries lie beyond its keys", o.keys(), first_query));
  return check.require(o.window() <= kSizeMax && (!o.causal() || o.keys() >= o.queries()),
                       "causal attention has fewer keys than queries", o.queries(), o.keys());
}

/// `heads` heads, `width` wide each, begin at `column` of each row of a batch. `cache`: what a
/// cache of int8 would be, or f32 where there may be none.
Status verify_rows(const OpCheck& check, const TensorView& x, int64_t batch, int64_t rows,
                   int64_t column, int64_t heads, int64_t width, DataType cache) {
  if (x.type == cache && is_cache(cache)) {
    HEED_TRY(check.cache(x, cache, batch, rows));
    HEED_TRY(check.require(x.group == width && column % width == 0,
                           "a cache of keys or values needs a scale for each head", width,
                           x.group));
  } else {
    HEED_TRY(cache == DataType::f32 ? check.type(x, cache) : check.floats_for_cache(x));
  }
  HEED_TRY(check.require(x.shape.last() >= 1 && x.shape.rows() == batch * rows,
                         "attention's q, k or v has the wrong number of rows", batch * rows,
                         x.shape.rows()));
  const int64_t needed = column + heads * width;
  return check.require(needed <= x.shape.last(), "attention's heads lie beyond q, k or v",
                       x.shape.last(), needed);
}

/// The mask's shape with leading ones to rank 4.
Shape mask_shape(const TensorView& mask) {
  Shape s{4, {1, 1, 1, 1}};
  for (int32_t i = 0; i < mask.shape.rank; ++i)
    s.dims[4 - mask.shape.rank + i] = mask.shape.dims[i];
  return s;
}

Status verify_mask(const OpCheck& check, const TensorView& mask, const AttentionShape& a) {
  HEED_TRY(check.type(mask, DataType::f32));
  HEED_TRY(
      check.require(mask.shape.rank <= 4, "a mask has at most 4 dimensions", 4, mask.shape.rank));
  const Shape s = mask_shape(mask);
  return check.require((s.dims[0] == 1 || s.dims[0] == a.batch) &&
                           (s.dims[1] == 1 || s.dims[1] == a.heads) &&
                           (s.dims[2] == 1 || s.dims[2] == a.queries) && s.dims[3] == a.keys,
                       "a mask does not fit the scores", a.keys, s.dims[3]);
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& o = info.options<fb::AttentionOptions>();
  HEED_TRY(check.operands_with_epilogue(3, 5));
  HEED_TRY(verify_sizes(check, o));
  const AttentionShape a = shape_of(info);
  HEED_TRY(verify_rows(check, info.input(kQ), a.batch, a.queries, o.q_column(), a.heads,
                       a.head_width, DataType::f32));
  HEED_TRY(verify_rows(check, info.input(kK), a.batch, a.keys, o.k_column(), a.kv_heads,
                       a.head_width, DataType::q8_keys));
  HEED_TRY(verify_rows(check, info.input(kV), a.batch, a.keys, o.v_column(), a.kv_heads,
                       a.value_width, DataType::q8_values));
  HEED_TRY(check.require(is_cache(info.input(kK).type) == is_cache(info.input(kV).type),
                         "keys and values are not both int8 or both floats"));
  HEED_TRY(check.require(info.input(kK).type == DataType::f32 ||
                             (a.head_width <= kCachedWidthMax && a.value_width <= kCachedWidthMax),
                         "heads of an int8 cache are too wide", kCachedWidthMax, a.value_width));
  if (info.has_input(kMask)) HEED_TRY(verify_mask(check, info.input(kMask), a));
  if (info.has_input(kLength)) {
    const TensorView& length = info.input(kLength);
    HEED_TRY(check.require(is_integer(length.type) && length.shape.elements() == 1,
                           "the number of keys must be one integer", 1, length.shape.elements()));
  }
  HEED_TRY(check.require(epilogue_width(info) == a.width(), "attention's output is not H * Dv wide",
                         a.width(), epilogue_width(info)));
  return verify_epilogue(info, o.epilogue(), a.rows(), diagnostic);
}

/// Rows that one head computes in a go: the more the better, within a second cache's share. What
/// follows is a pass or two over them.
int32_t panel_rows(int64_t width) {
  constexpr int64_t kFloats = 32768, kRowsMax = 96;
  const int64_t fit = kFloats / width / Panels::kUnit * Panels::kUnit;
  return static_cast<int32_t>(std::clamp<int64_t>(fit, Panels::kUnit, kRowsMax));
}

bool splits_heads(const AttentionShape& a, int32_t threads) {
  if (a.few()) return true;
  const int64_t blocks = int64_t{a.batch} * ((a.queries + Panels::kUnit - 1) / Panels::kUnit);
  return threads > 1 && a.heads > 1 && blocks < threads && a.multiply_adds() >= kParallelWork;
}

/// Keys up to a multiple of 64 bytes of floats.
constexpr int32_t padded_keys(int32_t keys) { return (keys + 15) / 16 * 16; }

size_t kernel_scratch_bytes(const AttentionShape& a) {
  if (!a.few()) return attention_scratch_bytes(a.keys, a.head_width);
  if (!a.cached) return few_queries_scratch_floats(a.keys, a.head_width) * sizeof(float);
  return static_cast<size_t>(padded_keys(a.keys)) * sizeof(float) +
         cached_attention_scratch_bytes(a.keys);
}

size_t core_bytes(const AttentionShape& a) {
  return static_cast<size_t>(a.rows()) * static_cast<size_t>(a.width()) * sizeof(float);
}

/// Floats that a thread unpacks keys or values from a cache of int8 into, to pack them again.
size_t unpacked_bytes(const AttentionShape& a) {
  if (a.few() || !a.cached) return 0;
  const int32_t width = std::max(a.head_width, a.value_width);
  return static_cast<size_t>(a.keys) * static_cast<size_t>(width) * sizeof(float);
}

ScratchNeed scratch(const OpInfo& info, int32_t threads) {
  const AttentionShape a = shape_of(info);
  const bool stored = info.has_output(0) || info.has_output(1);
  ScratchNeed need;
  need.shared = a.packed_bytes() + (splits_heads(a, threads) && !stored ? core_bytes(a) : 0);
  // Unpacking comes first and is over when the queries begin.
  need.per_thread =
      std::max(epilogue_scratch_bytes(panel_rows(a.width()), a.width()) + kernel_scratch_bytes(a),
               unpacked_bytes(a));
  return need;
}

/// Rows of q, k or v: floats, of which head 0 of row 0 begins at x, or panels of a cache.
struct HeadRows {
  const float* x;  // null: a cache
  ptrdiff_t step;
  int32_t width;  // of a head
  const std::byte* panels;
  CachedPart part;
  int32_t first_head;
  CacheLayout layout;

  static HeadRows of(const TensorView& tensor, uint32_t column, int32_t width) {
    HeadRows rows{};
    rows.width = width;
    if (!is_cache(tensor.type)) {
      rows.x = tensor.as<const float>() + column;
      rows.step = tensor.shape.last();
      return rows;
    }
    rows.panels = tensor.as<const std::byte>();
    rows.part = tensor.type == DataType::q8_keys ? CachedPart::keys : CachedPart::values;
    rows.first_head = static_cast<int32_t>(column) / width;
    rows.layout = tensor.cache();
    return rows;
  }
  const float* floats(int64_t row, int32_t head) const {
    return x + row * step + int64_t{head} * width;
  }
  CachedPanel cached(int32_t batch, int32_t head) const {
    const std::byte* panel = panels + layout.panel_offset(batch, first_head + head);
    return {reinterpret_cast<const int8_t*>(panel),
            reinterpret_cast<const float*>(panel + layout.scale_offset)};
  }
};

struct AttentionState {
  AttentionShape shape;
  RowEpilogue epilogue;
  const AttentionKernel* kernel;
  const KernelSet* kernels;
  HeadRows q, k, v;
  float scale;
  bool causal;
  int32_t window;
  Indices length;     // data null: all keys
  const float* mask;  // null: none
  int64_t mask_batch_step, mask_head_step;
  ptrdiff_t mask_row_step;
  bool split;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) AttentionState{};
  const auto& o = info.options<fb::AttentionOptions>();
  const AttentionShape a = shape_of(info);
  state->shape = a;
  state->epilogue = make_epilogue(info, o.epilogue(), context.kernels);
  state->kernel = context.kernels.attention;
  state->kernels = &context.kernels;
  state->q = HeadRows::of(info.input(kQ), o.q_column(), a.head_width);
  state->k = HeadRows::of(info.input(kK), o.k_column(), a.head_width);
  state->v = HeadRows::of(info.input(kV), o.v_column(), a.value_width);
  state->scale = o.scale();
  state->causal = o.causal();
  state->window = static_cast<int32_t>(o.window());
  state->split = splits_heads(a, context.threads);
  if (info.has_input(kLength)) {
    const TensorView& length = info.input(kLength);
    state->length = {length.data, length.type == DataType::i64, false, a.keys};
  }
  if (info.has_input(kMask)) {
    const Shape s = mask_shape(info.input(kMask));
    const int64_t plane = int64_t{s.dims[2]} * s.dims[3];
    state->mask = info.input(kMask).as<const float>();
    state->mask_row_step = s.dims[2] == 1 ? 0 : s.dims[3];
    state->mask_head_step = s.dims[1] == 1 ? 0 : plane;
    state->mask_batch_step = s.dims[0] == 1 ? 0 : plane * s.dims[1];
  }
  return Status::ok;
}

/// Where the packed keys and values of a (batch, kv head) lie in shared scratch.
std::byte* packed_keys(const AttentionState& state, RunContext& context, int32_t batch,
                       int32_t kv_head) {
  const AttentionShape& a = state.shape;
  const size_t pair =
      static_cast<size_t>(batch) * static_cast<size_t>(a.kv_heads) + static_cast<size_t>(kv_head);
  return context.shared + pair * (a.keys_bytes() + a.values_bytes());
}

/// The rows of one head as floats: where they lie, or unpacked into `unpacked`.
AttentionRows head_rows(const AttentionState& state, const HeadRows& from, int32_t batch,
                        int32_t head, int32_t keys, float* unpacked) {
  if (from.x) {
    return {from.floats(int64_t{batch} * state.shape.keys, head), from.step, keys, from.width};
  }
  const CachedPanel panel = from.cached(batch, head);
  read_cached_rows(from.part, panel.q, panel.scale, keys, from.width, unpacked, from.width);
  return {unpacked, from.width, keys, from.width};
}

void pack(const AttentionState& state, RunContext& context, int32_t keys, int32_t threads) {
  const AttentionShape& a = state.shape;
  for_tiles(context, threads, int64_t{a.batch} * a.kv_heads * 2, [&](int64_t tile, int32_t thread) {
    const int64_t pair = tile / 2;
    const auto batch = static_cast<int32_t>(pair / a.kv_heads);
    const auto head = static_cast<int32_t>(pair % a.kv_heads);
    auto* unpacked = reinterpret_cast<float*>(context.scratch(thread));
    std::byte* packed = packed_keys(state, context, batch, head);
    if (tile % 2 == 0) {
      state.kernel->pack_keys(head_rows(state, state.k, batch, head, keys, unpacked), true, packed);
    } else {
      state.kernel->pack_values(head_rows(state, state.v, batch, head, keys, unpacked),
                                packed + a.keys_bytes());
    }
  });
}

/// A tap's map for a head and the queries from `query` on; null where it does not want them.
float* map_of(const AttentionTapRequest& tap, const AttentionShape& a, int32_t batch, int32_t head,
              int32_t query) {
  if (tap.head >= 0 && tap.head != head) return nullptr;
  const int64_t plane = tap.head < 0 ? int64_t{batch} * a.heads + head : batch;
  return tap.map + (plane * a.queries + query) * a.keys;
}

/// What a tap sees of one query: p of keys begin .. end-1, zeros of all others.
void fill_map(float* map, const float* p, int32_t begin, int32_t end, int32_t keys) {
  std::memset(map, 0, static_cast<size_t>(begin) * sizeof(float));
  std::memcpy(map + begin, p, static_cast<size_t>(end - begin) * sizeof(float));
  std::memset(map + end, 0, static_cast<size_t>(keys - end) * sizeof(float));
}

/// The keys that a query sees, and where its operands lie.
struct QuerySight {
  int32_t begin, end;
  const float* q;
  const float* mask;  // of key 0; null: none
};

QuerySight sight_of(const AttentionState& state, int32_t keys, int32_t batch, int32_t head,
                    int32_t t) {
  const AttentionShape& a = state.shape;
  QuerySight sight{};
  sight.end = state.causal ? std::min(t + 1 + keys - a.queries, keys) : keys;
  sight.begin = state.window > 0 ? std::max(sight.end - state.window, 0) : 0;
  sight.q = state.q.floats(int64_t{batch} * a.queries + t, head);
  if (state.mask) {
    sight.mask = state.mask + batch * state.mask_batch_step + head * state.mask_head_step +
                 t * state.mask_row_step;
  }
  return sight;
}

/// One query over keys and values of floats; returns the probabilities of the keys in sight.
const float* attend_floats(const AttentionState& state, const QuerySight& sight, int32_t batch,
                           int32_t kv_head, float* y, float* scratch) {
  const int64_t row = int64_t{batch} * state.shape.keys + sight.begin;
  FewQueriesArgs args{};
  args.q = sight.q;
  args.k = state.k.floats(row, kv_head);
  args.k_step = state.k.step;
  args.v = state.v.floats(row, kv_head);
  args.v_step = state.v.step;
  args.keys = sight.end - sight.begin;
  args.head_width = state.shape.head_width;
  args.value_width = state.shape.value_width;
  args.scale = state.scale;
  args.mask = sight.mask ? sight.mask + sight.begin : nullptr;
  args.y = y;
  args.scratch = scratch;
  return attend_few_queries(*state.kernels, args);
}

/// The same over caches of int8; they are probabilities only where somebody looks.
const float* attend_cache(const AttentionState& state, const QuerySight& sight, int32_t batch,
                          int32_t kv_head, float* y, float* scratch, bool seen) {
  CachedAttentionArgs args{};
  args.q = sight.q;
  args.k = state.k.cached(batch, kv_head);
  args.v = state.v.cached(batch, kv_head);
  args.begin = sight.begin;
  args.end = sight.end;
  args.head_width = state.shape.head_width;
  args.value_width = state.shape.value_width;
  args.scale = state.scale;
  args.mask = sight.mask;
  args.y = y;
  args.p = scratch;
  const float sum = state.kernels->cached_attention->run(args, scratch + padded_keys(sight.end));
  const float inverse = sum > 0 ? 1 / sum : 0;
  for (int32_t s = sight.begin; s < sight.end && seen; ++s) args.p[s] *= inverse;
  return args.p + sight.begin;
}

/// One head of one batch where its queries are few; y points at the head's columns of the first.
void run_few(const AttentionState& state, RunContext& context, int32_t keys, int32_t batch,
             int32_t head, float* y, void* scratch) {
  const AttentionShape& a = state.shape;
  const int32_t kv_head = head / (a.heads / a.kv_heads);
  auto* floats = static_cast<float*>(scratch);
  for (int32_t t = 0; t < a.queries; ++t, y += a.width()) {
    const QuerySight sight = sight_of(state, keys, batch, head, t);
    const float* p =
        state.k.x ? attend_floats(state, sight, batch, kv_head, y, floats)
                  : attend_cache(state, sight, batch, kv_head, y, floats, context.tap_count > 0);
    for (int32_t i = 0; i < context.tap_count; ++i) {
      if (float* map = map_of(context.taps[i], a, batch, head, t))
        fill_map(map, p, sight.begin, sight.end, a.keys);
    }
  }
}

/// A map's rows have a place for every key that there may be.
void clear_absent_keys(float* map, int32_t rows, int32_t keys, int32_t keys_max) {
  for (int32_t r = 0; r < rows && keys < keys_max; ++r) {
    std::fill(map + int64_t{r} * keys_max + keys, map + int64_t{r + 1} * keys_max, 0.0f);
  }
}

/// One head of `rows` queries of one batch; y points at the head's columns of the first.
void run_head(const AttentionState& state, RunContext& context, int32_t keys, int32_t batch,
              int32_t head, int32_t query, int32_t rows, float* y, void* scratch) {
  const AttentionShape& a = state.shape;
  const int32_t kv_head = head / (a.heads / a.kv_heads);
  const std::byte* packed = packed_keys(state, context, batch, kv_head);
  AttentionArgs args{};
  args.q = state.q.floats(int64_t{batch} * a.queries + query, head);
  args.q_step = state.q.step;
  args.rows = rows;
  args.keys = keys;
  args.head_width = a.head_width;
  args.value_width = a.value_width;
  args.packed_keys = packed;
  args.packed_values = packed + a.keys_bytes();
  args.scale = state.scale;
  args.causal = state.causal;
  args.position = query + keys - a.queries;
  args.window = state.window;
  if (state.mask) {
    args.mask = state.mask + batch * state.mask_batch_step + head * state.mask_head_step +
                query * state.mask_row_step;
    args.mask_step = state.mask_row_step;
  }
  args.y = y;
  args.y_step = a.width();
  args.map_step = a.keys;
  for (int32_t i = 0; i < context.tap_count && !args.map; ++i) {
    args.map = map_of(context.taps[i], a, batch, head, query);
  }
  state.kernel->run(args, scratch);
  if (args.map) clear_absent_keys(args.map, rows, keys, a.keys);
  for (int32_t i = 0; args.map && i < context.tap_count; ++i) {
    float* other = map_of(context.taps[i], a, batch, head, query);
    if (!other || other == args.map) continue;
    std::memcpy(other, args.map,
                static_cast<size_t>(rows) * static_cast<size_t>(a.keys) * sizeof(float));
  }
}

void* kernel_scratch(const AttentionState& state, RunContext& context, int32_t thread) {
  const int32_t width = state.shape.width();
  return context.scratch(thread) + epilogue_scratch_bytes(panel_rows(width), width);
}

EpilogueScratch panel_scratch(const AttentionState& state, RunContext& context, int32_t thread) {
  const int32_t width = state.shape.width();
  return {context.scratch(thread), panel_rows(width), width};
}

void run_blocks(const AttentionState& state, RunContext& context, int32_t keys, int32_t threads) {
  const AttentionShape& a = state.shape;
  const Panels blocks = Panels::at_most(panel_rows(a.width()), a.queries, threads);
  for_tiles(context, threads, a.batch * blocks.count, [&](int64_t tile, int32_t thread) {
    const auto batch = static_cast<int32_t>(tile / blocks.count);
    const auto query = static_cast<int32_t>(blocks.begin(tile % blocks.count));
    const int32_t rows = blocks.size(tile % blocks.count);
    const int64_t first = int64_t{batch} * a.queries + query;
    const EpilogueScratch scratch = panel_scratch(state, context, thread);
    float* core = state.epilogue.core(first, scratch.panel);
    for (int32_t head = 0; head < a.heads; ++head) {
      run_head(state, context, keys, batch, head, query, rows, core + int64_t{head} * a.value_width,
               kernel_scratch(state, context, thread));
    }
    state.epilogue.finish(first, rows, core, a.width(), scratch.panel, scratch.absmax);
  });
}

void run_heads(const AttentionState& state, RunContext& context, int32_t keys, int32_t threads) {
  const AttentionShape& a = state.shape;
  auto* shared = reinterpret_cast<float*>(context.shared + a.packed_bytes());
  const auto core_of = [&](int64_t row) {
    return state.epilogue.core(row, shared + row * a.width());
  };
  for_tiles(context, threads, int64_t{a.batch} * a.heads, [&](int64_t tile, int32_t thread) {
    const auto batch = static_cast<int32_t>(tile / a.heads);
    const auto head = static_cast<int32_t>(tile % a.heads);
    float* y = core_of(int64_t{batch} * a.queries) + int64_t{head} * a.value_width;
    void* scratch = kernel_scratch(state, context, thread);
    a.few() ? run_few(state, context, keys, batch, head, y, scratch)
            : run_head(state, context, keys, batch, head, 0, a.queries, y, scratch);
  });
  const Panels panels = Panels::at_most(panel_rows(a.width()), a.rows(), 1);
  for_tiles(context, threads, panels.count, [&](int64_t panel, int32_t thread) {
    const int64_t first = panels.begin(panel);
    const EpilogueScratch scratch = panel_scratch(state, context, thread);
    float* own = state.epilogue.core_is_stored() ? scratch.panel : shared + first * a.width();
    state.epilogue.finish(first, panels.size(panel), core_of(first), a.width(), own,
                          scratch.absmax);
  });
}

/// Keys that are there in this run.
int32_t keys_present(const AttentionState& state, RunContext& context) {
  const int32_t most = state.shape.keys, least = state.causal ? state.shape.queries : 1;
  if (!state.length.data) return most;
  const int64_t length = state.length.raw(0);
  if (length < least || length > most)
    note_fault(context, "a cache does not hold as many keys as attention is told", length);
  return static_cast<int32_t>(std::clamp<int64_t>(length, least, most));
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const AttentionState*>(memory);
  const int32_t keys = keys_present(state, context);
  const int32_t threads = state.shape.multiply_adds() < kParallelWork ? 1 : context.threads.count();
  state.epilogue.clear_halo();
  if (!state.shape.few()) pack(state, context, keys, threads);
  state.split ? run_heads(state, context, keys, threads)
              : run_blocks(state, context, keys, threads);
}

const char* variant(const void* memory) {
  const auto& state = *static_cast<const AttentionState*>(memory);
  if (!state.shape.few()) return state.kernel->name;
  return state.k.x ? state.kernels->reduce->name : state.kernels->cached_attention->name;
}

int64_t multiply_adds(const OpInfo& info) { return shape_of(info).multiply_adds(); }

}  // namespace

const NodeKind kAttentionNode = {.name = "attention",
                                 .type = fb::OpOptions::AttentionOptions,
                                 .state_bytes = sizeof(AttentionState),
                                 .verify = verify,
                                 .scratch = scratch,
                                 .arena_bytes = nullptr,
                                 .prepare = prepare,
                                 .run = run,
                                 .destroy = nullptr,
                                 .variant = variant,
                                 .multiply_adds = multiply_adds};

}  // namespace heed
