// Residual adds, norms, activations and quantisation of rows that have no linear layer to ride on.
// The rows are read where they lie: whole rows of x, overlapping cuts of a flat signal, or rows of
// x with its dimensions permuted, which are gathered a panel at a time and exist nowhere else.

#include <cstring>
#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/row_epilogue.h"
#include "engine/nodes/tiles.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;

/// How many of the permuted dimensions, from the last on, join to rows of `width`; 0: none do.
int32_t row_dims(const Shape& x, const flatbuffers::Vector<uint32_t>& permutation, int64_t width) {
  int64_t joined = 1;
  for (int32_t dims = 1; dims <= x.rank; ++dims) {
    joined *= x.dims[permutation.Get(static_cast<uint32_t>(x.rank - dims))];
    if (joined >= width) return joined == width ? dims : 0;
  }
  return 0;
}

Status verify_permuted(const OpCheck& check, const OpInfo& info) {
  const auto& options = info.options<fb::RowsOptions>();
  const Shape& x = info.input(0).shape;
  const int64_t width = epilogue_width(info);
  HEED_TRY(check.permutation(options.permutation(), x));
  HEED_TRY(check.require(options.row_width() == 0 && options.hop() == 0,
                         "permuted rows cannot be cut", 0, options.row_width()));
  // Engines that know no permutation refuse such a file, too, and do not misread it.
  HEED_TRY(check.require(x.last() != width, "permuted rows must differ in width from those of x", 0,
                         width));
  HEED_TRY(check.require(row_dims(x, *options.permutation(), width) > 0,
                         "no permuted dimensions join to rows of the output", width));
  return check.require(options.rows() * width == x.elements(),
                       "permuted rows are not all of their input", x.elements(),
                       options.rows() * width);
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::RowsOptions>();
  HEED_TRY(check.operands_with_epilogue(1, 1));
  HEED_TRY(verify_epilogue(info, options.epilogue(), options.rows(), diagnostic));
  const TensorView& x = info.input(0);
  HEED_TRY(check.type(x, DataType::f32));
  if (options.permutation()) return verify_permuted(check, info);
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

/// Copies `count` floats, mostly few: without a call.
void copy_run(const float* from, float* to, int64_t count) {
  constexpr int64_t kStep = 8;
  for (; count >= kStep; count -= kStep, from += kStep, to += kStep)
    std::memcpy(to, from, kStep * sizeof(float));
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

/// Dimensions of a permuted tensor and where their elements lie in x.
struct Walk {
  int32_t rank = 0;
  int64_t size[kMaxRank], step[kMaxRank];

  /// Of the element that row-major order counts as `position`.
  int64_t offset(int64_t position) const {
    int64_t offset = 0;
    for (int32_t d = rank - 1; d >= 0; --d) {
      offset += position % size[d] * step[d];
      position /= size[d];
    }
    return offset;
  }
};

/// Rows of a permuted tensor: where each begins, and of which runs of x it is made.
struct PermutedRows {
  Walk rows, runs;
  int64_t run = 0;  // floats that follow one another in x; 0: nothing is permuted

  PermutedRows() = default;
  PermutedRows(const Shape& x, const flatbuffers::Vector<uint32_t>& permutation, int64_t width)
      : run(1) {
    const MoveShape from(x);
    const int32_t outer = x.rank - row_dims(x, permutation, width);
    for (int32_t d = 0; d < x.rank; ++d) {
      const uint32_t source = permutation.Get(static_cast<uint32_t>(d));
      if (from.size[source] == 1) continue;
      Walk& walk = d < outer ? rows : runs;
      walk.size[walk.rank] = from.size[source];
      walk.step[walk.rank++] = from.step[source];
    }
    while (runs.rank > 0 && runs.step[runs.rank - 1] == run) run *= runs.size[--runs.rank];
  }

  /// Run by run, so that those of neighbouring rows, which mostly follow one another in x, are read
  /// in one stream.
  void gather(const float* x, int64_t first, int32_t count, int32_t width, float* to) const {
    int64_t begin[Panels::kRowsMax];
    for (int32_t m = 0; m < count; ++m) begin[m] = rows.offset(first + m);
    for (int64_t at = 0, i = 0; at < width; at += run, ++i) {
      const float* from = x + runs.offset(i);
      for (int32_t m = 0; m < count; ++m) copy_run(from + begin[m], to + m * width + at, run);
    }
  }
};

struct RowsState {
  RowEpilogue epilogue;
  const float* x;
  ptrdiff_t hop;
  int64_t rows;
  PermutedRows permuted;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) RowsState{};
  const auto& options = info.options<fb::RowsOptions>();
  state->epilogue = make_epilogue(info, options.epilogue(), context.kernels);
  state->x = info.input(0).as<const float>();
  state->rows = options.rows();
  state->hop = options.hop() ? static_cast<ptrdiff_t>(options.hop()) : state->epilogue.width;
  if (options.permutation())
    state->permuted =
        PermutedRows(info.input(0).shape, *options.permutation(), state->epilogue.width);
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
    const int32_t rows = panels.size(tile);
    const float* core = state.x + first * state.hop;
    if (state.permuted.run > 0) {
      float* gathered = epilogue.core(first, scratch.panel);
      state.permuted.gather(state.x, first, rows, width, gathered);
      core = gathered;
    }
    epilogue.finish(first, rows, core, state.hop, scratch.panel, scratch.absmax);
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
