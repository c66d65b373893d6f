// y = a b on float32 matrices, both computed; NumPy broadcast of the leading dimensions.

#include <new>

#include "engine/nodes/broadcast.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/matmul/matmul.h"

namespace heed {
namespace {

constexpr int64_t kParallelWork = 1 << 17;  // multiply-adds of one tile worth a thread
constexpr int64_t kRowsPerTile = 48, kColumnsPerTile = 256;

Shape batch_of(const Shape& shape) {
  Shape batch = shape;
  batch.rank -= 2;
  return batch;
}
int32_t rows_of(const Shape& shape) { return shape.dims[shape.rank - 2]; }

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(2, 2));
  const TensorView &a = info.input(0), &b = info.input(1), &y = info.output(0);
  HEED_TRY(check.type(a, DataType::f32));
  HEED_TRY(check.type(b, DataType::f32));
  HEED_TRY(check.type(y, DataType::f32));
  HEED_TRY(check.require(a.shape.rank >= 2 && b.shape.rank >= 2 && y.shape.rank >= 2,
                         "a matrix product needs matrices"));
  HEED_TRY(check.require(a.shape.last() == rows_of(b.shape), "two matrices do not fit each other",
                         a.shape.last(), rows_of(b.shape)));
  Shape batch;
  HEED_TRY(check.require(broadcast_shapes(batch_of(a.shape), batch_of(b.shape), &batch),
                         "two stacks of matrices do not broadcast"));
  HEED_TRY(check.same(batch, batch_of(y.shape)));
  return check.require(rows_of(y.shape) == rows_of(a.shape) && y.shape.last() == b.shape.last(),
                       "a matrix product has the wrong shape", rows_of(a.shape), rows_of(y.shape));
}

struct MatmulState {
  const MatmulKernel* kernel;
  const float* a;
  const float* b;
  float* y;
  int32_t m, n, k;
  Broadcast batch;  // one run element per matrix
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const TensorView &a = info.input(0), &b = info.input(1), &y = info.output(0);
  const Shape batches[] = {batch_of(a.shape), batch_of(b.shape)};
  const Shape* shapes[] = {&batches[0], &batches[1]};
  new (memory) MatmulState{context.kernels.matmul, a.as<const float>(),
                           b.as<const float>(),    y.as<float>(),
                           rows_of(a.shape),       b.shape.last(),
                           a.shape.last(),         make_broadcast(batch_of(y.shape), shapes, 2)};
  return Status::ok;
}

/// Rows and columns that one tile covers.
struct TileGrid {
  int64_t row_tiles, column_tiles;
  explicit TileGrid(const MatmulState& s)
      : row_tiles((s.m + kRowsPerTile - 1) / kRowsPerTile),
        column_tiles((s.n + kColumnsPerTile - 1) / kColumnsPerTile) {}
  int64_t per_matrix() const { return row_tiles * column_tiles; }
};

void run_tile(const MatmulState& s, const TileGrid& grid, int64_t tile) {
  const int64_t matrix = tile / grid.per_matrix(), within = tile % grid.per_matrix();
  const int64_t row = within / grid.column_tiles * kRowsPerTile;
  const int64_t column = within % grid.column_tiles * kColumnsPerTile;
  int64_t at[2] = {};
  for_runs(s.batch, matrix, matrix + 1, [&](int64_t, int64_t, const int64_t* from) {
    at[0] = from[0];
    at[1] = from[1];
  });
  MatmulArgs args{};
  args.a = s.a + at[0] * s.m * s.k + row * s.k;
  args.a_step = s.k;
  args.b = s.b + at[1] * s.k * s.n;
  args.b_block_step = kMatmulBlockN;
  args.b_k_step = s.n;
  args.c = s.y + (matrix * s.m + row) * s.n;
  args.c_step = s.n;
  args.rows = static_cast<int32_t>(std::min<int64_t>(kRowsPerTile, s.m - row));
  args.k = s.k;
  s.kernel->run(args, static_cast<int32_t>(column),
                static_cast<int32_t>(std::min<int64_t>(s.n, column + kColumnsPerTile)));
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const MatmulState*>(memory);
  const TileGrid grid(state);
  const int64_t tiles = state.batch.elements() * grid.per_matrix();
  if (tiles == 0) return;
  const int64_t work = state.batch.elements() * state.m * state.n * std::max(state.k, 1) / tiles;
  for_slices(context, tiles, std::max<int64_t>(1, kParallelWork / std::max<int64_t>(1, work)),
             [&](int64_t first, int64_t last) {
               for (int64_t tile = first; tile < last; ++tile) run_tile(state, grid, tile);
             });
}

const char* variant(const void* memory) {
  return static_cast<const MatmulState*>(memory)->kernel->name;
}

int64_t multiply_adds(const OpInfo& info) {
  return info.output(0).shape.elements() * info.input(0).shape.last();
}

}  // namespace

const NodeKind kMatmulNode = {.name = "matmul",
                              .type = fb::OpOptions::MatmulOptions,
                              .state_bytes = sizeof(MatmulState),
                              .verify = verify,
                              .scratch = no_scratch,
                              .arena_bytes = nullptr,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = variant,
                              .multiply_adds = multiply_adds};

}  // namespace heed
