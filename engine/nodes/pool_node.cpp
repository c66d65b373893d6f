// Maximum or mean over windows of [B, H, W, C], channels last.
//
// A row of outputs first joins its window's rows, whole rows at a time, then its columns, all
// channels at a time: both are runs of the elementwise kernels, so the bits are the same
// everywhere.

#include <cstring>
#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/elementwise/elementwise.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;
constexpr int64_t kSizeMax = 1 << 20;

/// One spatial dimension of a pool.
struct PoolAxis {
  int64_t in, out, window, stride, pad;
  int64_t first(int64_t o) const { return std::max<int64_t>(0, o * stride - pad); }
  int64_t last(int64_t o) const { return std::min(in, o * stride - pad + window); }
};

Status verify_axis(const OpCheck& check, const PoolAxis& a, int64_t pad_after) {
  HEED_TRY(
      check.require(a.window >= 1 && a.window <= kSizeMax && a.stride >= 1 && a.stride <= kSizeMax,
                    "a window or stride is out of range", kSizeMax, a.window));
  HEED_TRY(check.require(a.pad < a.window && pad_after < a.window, "padding as large as the window",
                         a.window, std::max(a.pad, pad_after)));
  const int64_t span = a.in + a.pad + pad_after - a.window;
  HEED_TRY(
      check.require(a.in >= 1 && span >= 0, "a window is larger than its input", a.window, a.in));
  return check.require(a.out == span / a.stride + 1, "an output has the wrong size",
                       span / a.stride + 1, a.out);
}

PoolAxis rows_of(const fb::PoolOptions& o, const Shape& x, const Shape& y) {
  return {x.dims[1], y.dims[1], o.window_h(), o.stride_h(), o.pad_top()};
}
PoolAxis columns_of(const fb::PoolOptions& o, const Shape& x, const Shape& y) {
  return {x.dims[2], y.dims[2], o.window_w(), o.stride_w(), o.pad_left()};
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::PoolOptions>();
  HEED_TRY(check.operands(1, 1));
  const TensorView &x = info.input(0), &y = info.output(0);
  HEED_TRY(check.type(x, DataType::f32));
  HEED_TRY(check.type(y, DataType::f32));
  HEED_TRY(check.require(options.kind() <= fb::PoolKind::average, "an unknown kind of pool", 0,
                         static_cast<int64_t>(options.kind())));
  HEED_TRY(check.require(x.shape.rank == 4 && y.shape.rank == 4 &&
                             x.shape.dims[0] == y.shape.dims[0] && x.shape.last() == y.shape.last(),
                         "a pool needs [B, H, W, C] and keeps B and C"));
  HEED_TRY(verify_axis(check, rows_of(options, x.shape, y.shape), options.pad_bottom()));
  return verify_axis(check, columns_of(options, x.shape, y.shape), options.pad_right());
}

ScratchNeed scratch(const OpInfo& info, int32_t) {
  const Shape& x = info.input(0).shape;
  const int64_t row = int64_t{x.dims[2]} * x.dims[3];
  return {0, round_up(static_cast<size_t>(row) * sizeof(float), kAlignment)};
}

struct PoolState {
  const ElementwiseKernel* kernel;
  bool average, count_padding;
  PoolAxis rows, columns;
  int64_t batch, channels;
  const float* x;
  float* y;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const auto& options = info.options<fb::PoolOptions>();
  const TensorView &x = info.input(0), &y = info.output(0);
  new (memory) PoolState{context.kernels.elementwise,
                         options.kind() == fb::PoolKind::average,
                         options.count_padding(),
                         rows_of(options, x.shape, y.shape),
                         columns_of(options, x.shape, y.shape),
                         x.shape.dims[0],
                         x.shape.last(),
                         x.as<const float>(),
                         y.as<float>()};
  return Status::ok;
}

/// y = y with x, n values.
void join(const PoolState& s, const float* x, float* y, int64_t n) {
  s.kernel->binary({y, x, 1, 1, y, n}, s.average ? BinaryKind::add : BinaryKind::max);
}

void run_row(const PoolState& s, int64_t row, float* joined) {
  const int64_t batch = row / s.rows.out, out_row = row % s.rows.out;
  const int64_t width = s.columns.in * s.channels;
  const float* image = s.x + batch * s.rows.in * width;
  const int64_t first = s.rows.first(out_row), last = s.rows.last(out_row);
  std::memcpy(joined, image + first * width, static_cast<size_t>(width) * sizeof(float));
  for (int64_t i = first + 1; i < last; ++i) join(s, image + i * width, joined, width);
  float* y = s.y + row * s.columns.out * s.channels;
  for (int64_t o = 0; o < s.columns.out; ++o, y += s.channels) {
    const int64_t from = s.columns.first(o), to = s.columns.last(o);
    std::memcpy(y, joined + from * s.channels, static_cast<size_t>(s.channels) * sizeof(float));
    for (int64_t i = from + 1; i < to; ++i) join(s, joined + i * s.channels, y, s.channels);
    if (!s.average) continue;
    const int64_t count =
        s.count_padding ? s.rows.window * s.columns.window : (last - first) * (to - from);
    const float divisor = static_cast<float>(count);
    s.kernel->binary({y, &divisor, 1, 0, y, s.channels}, BinaryKind::div);
  }
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const PoolState*>(memory);
  const int64_t rows = state.batch * state.rows.out;
  const int64_t values = state.rows.window * state.columns.in * state.channels;
  const int32_t threads = rows * values < kParallelValues ? 1 : context.threads.count();
  for_tiles(context, threads, rows, [&](int64_t row, int32_t thread) {
    run_row(state, row, reinterpret_cast<float*>(context.scratch(thread)));
  });
}

const char* variant(const void* memory) {
  return static_cast<const PoolState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kPoolNode = {.name = "pool",
                            .type = fb::OpOptions::PoolOptions,
                            .state_bytes = sizeof(PoolState),
                            .verify = verify,
                            .scratch = scratch,
                            .arena_bytes = nullptr,
                            .prepare = prepare,
                            .run = run,
                            .destroy = nullptr,
                            .variant = variant,
                            .multiply_adds = nullptr};

}  // namespace heed
