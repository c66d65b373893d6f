// Residual adds, norms, activations and quantisation of rows that have no linear layer to ride on.
// The rows are read where they lie: whole rows of x, or overlapping cuts of a flat signal.

#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/row_epilogue.h"
#include "engine/nodes/tiles.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::RowsOptions>();
  HEED_TRY(check.operands_with_epilogue(1, 1));
  HEED_TRY(verify_epilogue(info, options.epilogue(), options.rows(), diagnostic));
  const TensorView& x = info.input(0);
  HEED_TRY(check.type(x, DataType::f32));
  const int64_t width = options.row_width() ? options.row_width() : x.shape.last();
  const int64_t hop = options.hop() ? options.hop() : width;
  HEED_TRY(check.require(width == epilogue_width(info), "rows differ in width from their output",
                         epilogue_width(info), width));
  const int64_t needed = (static_cast<int64_t>(options.rows()) - 1) * hop + width;
  return check.require(hop <= INT32_MAX && needed <= x.shape.elements(),
                       "rows end beyond their input", x.shape.elements(), needed);
}

ScratchNeed scratch(const OpInfo& info, int32_t) {
  const int32_t width = epilogue_width(info);
  return {0, epilogue_scratch_bytes(Panels::rows_max(width), width)};
}

struct RowsState {
  RowEpilogue epilogue;
  const float* x;
  ptrdiff_t hop;
  int64_t rows;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) RowsState{};
  const auto& options = info.options<fb::RowsOptions>();
  state->epilogue = make_epilogue(info, options.epilogue(), context.kernels);
  state->x = info.input(0).as<const float>();
  state->rows = options.rows();
  state->hop = options.hop() ? static_cast<ptrdiff_t>(options.hop()) : state->epilogue.width;
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const RowsState*>(memory);
  const RowEpilogue& epilogue = state.epilogue;
  const int32_t width = epilogue.width;
  epilogue.clear_halo();
  const int32_t threads = state.rows * width < kParallelValues ? 1 : context.threads.count();
  const Panels panels = Panels::of(state.rows, width, threads);
  for_tiles(context, threads, panels.count, [&](int64_t tile, int32_t thread) {
    const int64_t first = panels.begin(tile);
    const EpilogueScratch scratch(context.scratch(thread), Panels::rows_max(width), width);
    epilogue.finish(first, panels.size(tile), state.x + first * state.hop, state.hop, scratch.panel,
                    scratch.absmax);
  });
}

const char* variant(const void* memory) {
  return static_cast<const RowsState*>(memory)->epilogue.kernels->quantize->name;
}

}  // namespace

const NodeKind kRowsNode = {.name = "rows",
                            .type = fb::OpOptions::RowsOptions,
                            .state_bytes = sizeof(RowsState),
                            .verify = verify,
                            .scratch = scratch,
                            .arena_bytes = nullptr,
                            .prepare = prepare,
                            .run = run,
                            .destroy = nullptr,
                            .variant = variant,
                            .multiply_adds = nullptr};

}  // namespace heed
