// core[m,:] = table[ids[m],:], then the row epilogue (position tables, norm, quantise).

#include <cstring>
#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/row_epilogue.h"
#include "engine/nodes/tiles.h"
#include "ops/linear/linear.h"
#include "ops/move/index.h"

namespace heed {
namespace {

constexpr size_t kTable = 0, kIds = 1, kScale = 2;
constexpr int64_t kParallelValues = 1 << 15;

/// The weights of a linear layer as a table: [N/16][K/4][16][4].
Status verify_packed(const OpInfo& info, const OpCheck& check) {
  const TensorView& table = info.input(kTable);
  const uint32_t rows = info.options<fb::EmbeddingOptions>().packed_rows();
  HEED_TRY(check.type(table, DataType::i8));
  HEED_TRY(check.require(table.shape.rank == 4 && table.shape.dims[2] == kLinearBlockN &&
                             table.shape.dims[3] == kLinearGroupK &&
                             int64_t{table.shape.dims[1]} * kLinearGroupK >= epilogue_width(info),
                         "a packed table must be N/16 x K/4 x 16 x 4", epilogue_width(info),
                         table.shape.rank));
  const int64_t held = int64_t{table.shape.dims[0]} * kLinearBlockN;
  HEED_TRY(check.require(rows <= held, "a packed table has fewer rows than it says", held, rows));
  HEED_TRY(check.require(info.has_input(kScale), "an int8 table needs its scales"));
  const TensorView& scale = info.input(kScale);
  HEED_TRY(check.type(scale, DataType::f32));
  return check.require(scale.shape.elements() == held, "an int8 table needs one scale per row",
                       held, scale.shape.elements());
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::EmbeddingOptions>();
  HEED_TRY(check.operands_with_epilogue(2, 3));
  const TensorView &table = info.input(kTable), &ids = info.input(kIds);
  HEED_TRY(check.require(is_integer(ids.type), "ids must be int32 or int64"));
  HEED_TRY(verify_epilogue(info, options.epilogue(), ids.shape.elements(), diagnostic));
  if (options.packed_rows() != 0) return verify_packed(info, check);
  HEED_TRY(check.require(table.shape.rank == 2 && table.shape.dims[1] == epilogue_width(info),
                         "a table must be V x N", epilogue_width(info), table.shape.last()));
  HEED_TRY(check.require(table.shape.dims[0] >= 1, "a table has no rows"));
  if (table.type == DataType::f32) return Status::ok;
  HEED_TRY(check.type(table, DataType::i8));
  HEED_TRY(check.require(info.has_input(kScale), "an int8 table needs its scales"));
  const TensorView& scale = info.input(kScale);
  HEED_TRY(check.type(scale, DataType::f32));
  return check.require(scale.shape.elements() == table.shape.dims[0],
                       "an int8 table needs one scale per row", table.shape.dims[0],
                       scale.shape.elements());
}

ScratchNeed scratch(const OpInfo& info, int32_t) {
  const int32_t width = epilogue_width(info);
  return {0, epilogue_scratch_bytes(Panels::rows_max(width), width)};
}

struct EmbeddingState {
  RowEpilogue epilogue;
  const float* table;  // one of the three
  const int8_t* table8;
  const int8_t* packed;
  ptrdiff_t block_bytes;  // of packed: 16 rows
  const float* scale;     // of table8 and packed
  Indices ids;
  int64_t rows;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) EmbeddingState{};
  const auto& options = info.options<fb::EmbeddingOptions>();
  const TensorView &table = info.input(kTable), &ids = info.input(kIds);
  state->epilogue = make_epilogue(info, options.epilogue(), context.kernels);
  const auto packed_rows = static_cast<int32_t>(options.packed_rows());
  if (packed_rows != 0) {
    state->packed = table.as<const int8_t>();
    state->block_bytes = ptrdiff_t{table.shape.dims[1]} * kLinearGroupK * kLinearBlockN;
    state->scale = info.input(kScale).as<const float>();
  } else if (table.type == DataType::f32) {
    state->table = table.as<const float>();
  } else {
    state->table8 = table.as<const int8_t>();
    state->scale = info.input(kScale).as<const float>();
  }
  state->ids = {ids.data, ids.type == DataType::i64, options.wrap(),
                packed_rows != 0 ? packed_rows : table.shape.dims[0]};
  state->rows = ids.shape.elements();
  return Status::ok;
}

/// A row of packed weights: four values of each block of K, 64 bytes apart.
void unpack_row(const EmbeddingState& state, int64_t id, float* y) {
  const int8_t* at =
      state.packed + id / kLinearBlockN * state.block_bytes + id % kLinearBlockN * kLinearGroupK;
  const float scale = state.scale[id];
  for (int32_t k = 0; k < state.epilogue.width; ++k)
    y[k] = static_cast<float>(
               at[k / kLinearGroupK * (kLinearBlockN * kLinearGroupK) + k % kLinearGroupK]) *
           scale;
}

/// Row `id` of the table as floats; zeros for an id outside, which is a fault noted by run().
void fetch_row(const EmbeddingState& state, int64_t id, float* y) {
  const int32_t width = state.epilogue.width;
  if (id < 0) {
    std::memset(y, 0, static_cast<size_t>(width) * sizeof(float));
  } else if (state.packed) {
    unpack_row(state, id, y);
  } else if (state.table) {
    std::memcpy(y, state.table + id * width, static_cast<size_t>(width) * sizeof(float));
  } else {
    state.epilogue.kernels->quantize->dequantize(
        {state.table8 + id * width, width, state.scale + id, 1, y, width, 1, width, 0});
  }
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const EmbeddingState*>(memory);
  const RowEpilogue& epilogue = state.epilogue;
  const int32_t width = epilogue.width;
  if (const int64_t bad = first_outside(state.ids, state.rows); bad >= 0) {
    note_fault(context, "an id lies outside of its table", state.ids.raw(bad));
  }
  epilogue.clear_halo();
  const int32_t threads = state.rows * width < kParallelValues ? 1 : context.threads.count();
  const Panels panels = Panels::of(state.rows, width, threads);
  for_tiles(context, threads, panels.count, [&](int64_t tile, int32_t thread) {
    const int64_t first = panels.begin(tile);
    const int32_t rows = panels.size(tile);
    const EpilogueScratch scratch(context.scratch(thread), Panels::rows_max(width), width);
    float* core = epilogue.core(first, scratch.panel);
    for (int32_t i = 0; i < rows; ++i) {
      fetch_row(state, state.ids.at(first + i), core + ptrdiff_t{i} * width);
    }
    epilogue.finish(first, rows, core, width, scratch.panel, scratch.absmax);
  });
}

const char* variant(const void* memory) {
  return static_cast<const EmbeddingState*>(memory)->epilogue.kernels->quantize->name;
}

}  // namespace

const NodeKind kEmbeddingNode = {.name = "embedding",
                                 .type = fb::OpOptions::EmbeddingOptions,
                                 .state_bytes = sizeof(EmbeddingState),
                                 .verify = verify,
                                 .scratch = scratch,
                                 .arena_bytes = nullptr,
                                 .prepare = prepare,
                                 .run = run,
                                 .destroy = nullptr,
                                 .variant = variant,
                                 .multiply_adds = nullptr};

}  // namespace heed
