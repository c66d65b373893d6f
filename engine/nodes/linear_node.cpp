// core[m,n] = sum_k x[m,k] * w[n,k] + bias[n] on int8 or float32 weights, then the row epilogue.
//
// Panels of rows go to the threads; each is finished (activation, residual, norm, quantise) while
// it is in the cache. With too few rows for that (a decoder's step) the threads share the columns
// instead, and the rows are finished in a second phase. The rows of a convolution are gathered into
// scratch, a panel at a time.

#include <cstring>
#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/pixel_windows.h"
#include "engine/nodes/row_epilogue.h"
#include "engine/nodes/tiles.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"

namespace heed {
namespace {

constexpr size_t kX = 0, kWeights = 1, kScale = 2, kSum = 3, kBias = 4;
constexpr int64_t kInt8WidthMax = 65536;  // padded K: sums stay within int32
constexpr int64_t kFloatWidthMax = 1 << 24;
constexpr int64_t kHopMax = 1 << 24;
constexpr int64_t kColumnsPerTile = 64;  // least of a tile where threads share columns
constexpr int64_t kParallelWork = 1
                                  << 18;  // multiply-adds below which threads are not worth waking

static_assert(Panels::kRowsMax <= kLinearRowsMax);

/// Everything about the layer's size, from its options and operands.
struct LinearShape {
  int64_t rows;             // M
  int32_t width;            // N
  ptrdiff_t blocked_width;  // N rounded up to a block
  bool is_int8;
  int32_t k;             // terms per row; int8: padding included
  int32_t groups;        // int8: scales per row
  ptrdiff_t row_step;    // from row to row: bytes of int8 rows, floats of float rows
  ptrdiff_t scale_step;  // from row to row
  bool gathers;          // rows are windows over pixels
  int64_t multiply_adds() const { return rows * width * k; }
};

LinearShape shape_of(const OpInfo& info) {
  const auto& options = info.options<fb::LinearOptions>();
  const TensorView& x = info.input(kX);
  LinearShape s{};
  s.rows = options.rows();
  s.width = epilogue_width(info);
  s.blocked_width = static_cast<ptrdiff_t>(round_up(static_cast<size_t>(s.width), kLinearBlockN));
  s.is_int8 = options.layout() == fb::WeightLayout::k4n16;
  s.gathers = options.pixels() != nullptr;
  if (s.is_int8) {
    const Q8Layout q = x.q8();
    s.k = static_cast<int32_t>(options.window() * q.step);
    s.groups = static_cast<int32_t>(options.window()) * q.groups;
    s.row_step = static_cast<ptrdiff_t>(options.hop() * q.step);
    s.scale_step = static_cast<ptrdiff_t>(options.hop()) * q.groups;
    if (s.gathers) s.row_step = s.k, s.scale_step = s.groups;
  } else {
    const uint32_t row_width = options.row_width() ? options.row_width() : x.shape.last();
    s.k = static_cast<int32_t>(options.window() * row_width);
    s.row_step =
        s.gathers ? ptrdiff_t{s.k} : static_cast<ptrdiff_t>(int64_t{options.hop()} * row_width);
  }
  return s;
}

Status verify_pixels(const OpCheck& check, const OpInfo& info) {
  const auto& options = info.options<fb::LinearOptions>();
  const TensorView& x = info.input(kX);
  const PixelWindows w = PixelWindows::of(options.pixels());
  HEED_TRY(verify_pixel_windows(check, w));
  HEED_TRY(check.require(x.halo == 0, "a convolution's pixels have a halo", 0, x.halo));
  HEED_TRY(
      check.require(options.window() == w.taps() && options.hop() == 1 && options.row_width() == 0,
                    "a convolution's windows are not its kernel's", w.taps(), options.window()));
  const int64_t images = options.rows() / (w.out_h * w.out_w);
  HEED_TRY(check.require(images * w.out_h * w.out_w == options.rows(),
                         "a convolution's rows are not whole pictures", w.out_h * w.out_w,
                         options.rows()));
  return check.require(x.shape.rows() % images == 0 && x.shape.rows() / images == w.in_h * w.in_w,
                       "a convolution's input is not a picture for each of its output",
                       w.in_h * w.in_w, x.shape.rows());
}

/// The last row must end within x, which has `available` rows (or parts of row_width); windows over
/// pixels may lie anywhere.
Status verify_frames(const OpCheck& check, const OpInfo& info, int64_t row_width, int64_t available,
                     int64_t width_max) {
  const auto& options = info.options<fb::LinearOptions>();
  const int64_t window = options.window(), hop = options.hop(), rows = options.rows();
  HEED_TRY(
      check.require(rows >= 1 && rows <= INT32_MAX / 4, "a linear layer has no rows", 1, rows));
  HEED_TRY(check.require(window >= 1 && window <= width_max && row_width >= 1 &&
                             row_width <= width_max && window * row_width <= width_max,
                         "a linear layer's rows are too wide", width_max, window * row_width));
  HEED_TRY(check.require(hop >= 1 && hop <= kHopMax, "a linear layer's hop is out of range"));
  if (options.pixels() != nullptr) return verify_pixels(check, info);
  const int64_t last = (rows - 1) * hop + window;
  return check.require(last <= available, "a linear layer's rows end beyond its input", available,
                       last);
}

Status verify_int8(const OpCheck& check, const OpInfo& info) {
  const auto& options = info.options<fb::LinearOptions>();
  const TensorView& x = info.input(kX);
  HEED_TRY(check.quantised(x));
  const Q8Layout q = x.q8();
  HEED_TRY(check.require(q.step % static_cast<size_t>(q.group) == 0,
                         "the groups of quantised rows are not of equal width", 0, q.group));
  HEED_TRY(check.require(options.row_width() == 0, "quantised rows cannot be cut", 0,
                         options.row_width()));
  HEED_TRY(verify_frames(check, info, static_cast<int64_t>(q.step),
                         static_cast<int64_t>(q.rows) + 2 * static_cast<int64_t>(q.halo),
                         kInt8WidthMax));
  const LinearShape s = shape_of(info);
  HEED_TRY(check.packed_constant(info.input(kWeights), DataType::i8, s.blocked_width * s.k));
  HEED_TRY(check.require(info.has_input(kScale), "int8 weights need their scales"));
  HEED_TRY(check.scales(info.input(kScale), s.blocked_width));
  if (!info.has_input(kSum)) return Status::ok;
  return check.packed_constant(info.input(kSum), DataType::i32, s.blocked_width * s.groups);
}

Status verify_float(const OpCheck& check, const OpInfo& info) {
  const auto& options = info.options<fb::LinearOptions>();
  const TensorView& x = info.input(kX);
  HEED_TRY(check.type(x, DataType::f32));
  const int64_t row_width = options.row_width() ? options.row_width() : x.shape.last();
  HEED_TRY(check.require(row_width >= 1, "a linear layer's rows have no values"));
  HEED_TRY(verify_frames(check, info, row_width, x.shape.elements() / row_width, kFloatWidthMax));
  const LinearShape s = shape_of(info);
  return check.packed_constant(info.input(kWeights), DataType::f32, s.blocked_width * s.k);
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::LinearOptions>();
  HEED_TRY(check.operands_with_epilogue(2, 5));
  HEED_TRY(check.require(options.layout() <= fb::WeightLayout::f32_n16, "an unknown weight layout",
                         0, static_cast<int64_t>(options.layout())));
  HEED_TRY(verify_epilogue(info, options.epilogue(), options.rows(), diagnostic));
  HEED_TRY(check.require(epilogue_width(info) <= INT32_MAX / 4, "a linear layer is too wide"));
  const bool is_int8 = options.layout() == fb::WeightLayout::k4n16;
  HEED_TRY(is_int8 ? verify_int8(check, info) : verify_float(check, info));
  if (!info.has_input(kBias)) return Status::ok;
  return check.packed_constant(info.input(kBias), DataType::f32, shape_of(info).blocked_width);
}

bool splits_columns(const LinearShape& s, int32_t threads) {
  return threads > 1 && s.multiply_adds() >= kParallelWork &&
         s.rows < Panels::kUnit * static_cast<int64_t>(threads) && s.width >= 2 * kColumnsPerTile;
}

bool stores_floats(const OpInfo& info) { return info.has_output(0) || info.has_output(1); }

size_t kernel_scratch_bytes(const LinearShape& s) {
  return s.is_int8 ? round_up(linear_scratch_bytes(s.k), kAlignment) : 0;
}

/// Gathered windows of `rows` rows: values, then scales.
size_t gathered_values_bytes(const LinearShape& s, int64_t rows) {
  const size_t row = static_cast<size_t>(s.k) * (s.is_int8 ? 1 : sizeof(float));
  return round_up(static_cast<size_t>(rows) * row, kAlignment);
}
size_t gathered_bytes(const LinearShape& s, int64_t rows) {
  if (!s.gathers) return 0;
  const size_t scales = s.is_int8 ? static_cast<size_t>(rows * s.groups) * sizeof(float) : 0;
  return gathered_values_bytes(s, rows) + round_up(scales, kAlignment);
}

ScratchNeed scratch(const OpInfo& info, int32_t threads) {
  const LinearShape s = shape_of(info);
  const int64_t panel = std::min<int64_t>(s.rows, Panels::rows_max(s.width));
  ScratchNeed need;
  need.per_thread =
      epilogue_scratch_bytes(panel, s.width) + kernel_scratch_bytes(s) + gathered_bytes(s, panel);
  if (splits_columns(s, threads) && !stores_floats(info)) {
    need.shared = static_cast<size_t>(s.rows * s.width) * sizeof(float);
  }
  return need;
}

size_t arena_bytes(const OpInfo& info, int32_t) {
  const LinearShape s = shape_of(info);
  if (!s.is_int8) return 0;
  const int64_t made = (info.has_input(kBias) ? 0 : 1) + (info.has_input(kSum) ? 0 : s.groups);
  return static_cast<size_t>(made * s.blocked_width) * sizeof(float);
}

/// What the file leaves out to be small: sum[g][n] of packed weights [N/16][K/4][16][4].
void sum_weights(const LinearShape& s, const int8_t* w, int32_t* sum) {
  const int64_t steps = s.k / kLinearGroupK, steps_per_group = steps / s.groups;
  std::memset(sum, 0, static_cast<size_t>(s.groups * s.blocked_width) * sizeof(int32_t));
  for (int64_t block = 0; block < s.blocked_width / kLinearBlockN; ++block) {
    for (int64_t step = 0; step < steps; ++step) {
      int32_t* row = sum + step / steps_per_group * s.blocked_width + block * kLinearBlockN;
      for (int32_t n = 0; n < kLinearBlockN; ++n, w += kLinearGroupK)
        row[n] += w[0] + w[1] + w[2] + w[3];
    }
  }
}

struct LinearState {
  LinearShape shape;
  RowEpilogue epilogue;
  const LinearKernel* int8;  // one of the two
  const MatmulKernel* float32;
  LinearArgs int8_args;  // of row 0; x, x_scale, rows and y are set per call
  MatmulArgs float_args;
  PixelWindows windows;
  int32_t panel_rows;  // as scratch() counted
  bool split;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) LinearState{};
  LinearShape& s = state->shape;
  s = shape_of(info);
  const auto& options = info.options<fb::LinearOptions>();
  state->epilogue = make_epilogue(info, options.epilogue(), context.kernels);
  state->panel_rows = static_cast<int32_t>(std::min<int64_t>(s.rows, Panels::rows_max(s.width)));
  state->windows = PixelWindows::of(options.pixels());
  state->split = splits_columns(s, context.threads);
  const float* bias = info.has_input(kBias) ? info.input(kBias).as<const float>() : nullptr;
  const TensorView& x = info.input(kX);
  if (!s.is_int8) {
    state->float32 = context.kernels.matmul;
    state->float_args = {.a = x.as<const float>(),
                         .a_step = s.row_step,
                         .b = info.input(kWeights).as<const float>(),
                         .b_block_step = ptrdiff_t{s.k} * kMatmulBlockN,
                         .b_k_step = kMatmulBlockN,
                         .bias = bias,
                         .c = nullptr,
                         .c_step = s.width,
                         .rows = 0,
                         .k = s.k};
    return Status::ok;
  }
  if (!bias) {
    const auto count = static_cast<size_t>(s.blocked_width);
    auto* zeros = context.arena.take_array<float>(count);
    if (!zeros)
      return fail(context.diagnostic, Status::memory_too_small, "no room for a bias", info.index);
    std::memset(zeros, 0, count * sizeof(float));
    bias = zeros;
  }
  const int32_t* sums = info.has_input(kSum) ? info.input(kSum).as<const int32_t>() : nullptr;
  if (!sums) {
    auto* made = context.arena.take_array<int32_t>(static_cast<size_t>(s.groups * s.blocked_width));
    if (!made)
      return fail(context.diagnostic, Status::memory_too_small, "no room for sums", info.index);
    sum_weights(s, info.input(kWeights).as<const int8_t>(), made);
    sums = made;
  }
  state->int8 = context.kernels.linear;
  const Q8Layout q = x.q8();
  state->int8_args = {
      .x = x.as<const int8_t>(),
      .x_step = s.row_step,
      .x_scale = reinterpret_cast<const float*>(x.as<const std::byte>() + q.scale_offset),
      .x_scale_step = s.scale_step,
      .rows = 0,
      .groups = s.groups,
      .group_width = s.k / s.groups,
      .w = info.input(kWeights).as<const int8_t>(),
      .w_scale = info.input(kScale).as<const float>(),
      .w_sum = sums,
      .w_sum_step = s.blocked_width,
      .bias = bias,
      .y = nullptr,
      .y_step = s.width};
  return Status::ok;
}

/// The windows of `rows` rows: what `args` then reads instead of x.
void gather_int8(const LinearState& state, int64_t first_row, int32_t rows, std::byte* to,
                 LinearArgs* args) {
  const LinearShape& s = state.shape;
  const PixelWindows& windows = state.windows;
  const size_t pixel = static_cast<size_t>(s.k / windows.taps());
  const size_t scales = static_cast<size_t>(s.groups / windows.taps()) * sizeof(float);
  std::byte* scales_to = to + gathered_values_bytes(s, state.panel_rows);
  windows.gather(reinterpret_cast<const std::byte*>(args->x), pixel, first_row, rows, to);
  windows.gather(reinterpret_cast<const std::byte*>(args->x_scale), scales, first_row, rows,
                 scales_to);
  args->x = reinterpret_cast<const int8_t*>(to);
  args->x_scale = reinterpret_cast<const float*>(scales_to);
}

/// Columns n_begin .. n_end-1 of `rows` core rows from first_row on, into y.
void compute(const LinearState& state, int64_t first_row, int32_t rows, int32_t n_begin,
             int32_t n_end, float* y, std::byte* kernel_scratch) {
  const LinearShape& s = state.shape;
  if (state.float32) {
    MatmulArgs args = state.float_args;
    if (s.gathers) {
      const size_t pixel = static_cast<size_t>(s.k / state.windows.taps()) * sizeof(float);
      state.windows.gather(reinterpret_cast<const std::byte*>(args.a), pixel, first_row, rows,
                           kernel_scratch);
      args.a = reinterpret_cast<const float*>(kernel_scratch);
    } else {
      args.a += first_row * s.row_step;
    }
    args.rows = rows;
    args.c = y;
    state.float32->run(args, n_begin, n_end);
    return;
  }
  LinearArgs args = state.int8_args;
  if (s.gathers) {
    gather_int8(state, first_row, rows, kernel_scratch + kernel_scratch_bytes(s), &args);
  } else {
    args.x += first_row * s.row_step;
    args.x_scale += first_row * s.scale_step;
  }
  args.rows = rows;
  args.y = y;
  state.int8->run(args, n_begin, n_end, kernel_scratch);
}

std::byte* kernel_scratch(const LinearState& state, RunContext& context, int32_t thread) {
  return context.scratch(thread) + epilogue_scratch_bytes(state.panel_rows, state.shape.width);
}

void run_panels(const LinearState& state, RunContext& context) {
  const LinearShape& s = state.shape;
  const int32_t threads = s.multiply_adds() < kParallelWork ? 1 : context.threads.count();
  const Panels panels = Panels::of(s.rows, s.width, threads);
  for_tiles(context, threads, panels.count, [&](int64_t tile, int32_t thread) {
    const int64_t first = panels.begin(tile);
    const int32_t rows = panels.size(tile);
    const EpilogueScratch scratch(context.scratch(thread), state.panel_rows, s.width);
    float* core = state.epilogue.core(first, scratch.panel);
    compute(state, first, rows, 0, s.width, core, kernel_scratch(state, context, thread));
    state.epilogue.finish(first, rows, core, s.width, scratch.panel, scratch.absmax);
  });
}

void run_columns(const LinearState& state, RunContext& context) {
  const LinearShape& s = state.shape;
  const int32_t threads = context.threads.count();
  const Panels panels = Panels::of(s.rows, s.width, 1);
  const Slices columns = Slices::of(s.width, kColumnsPerTile, threads, kLinearBlockN);
  auto* shared = reinterpret_cast<float*>(context.shared);
  const auto core_of = [&](int64_t first) {
    return state.epilogue.core(first, shared + first * s.width);
  };
  for_tiles(context, threads, panels.count * columns.count, [&](int64_t tile, int32_t thread) {
    const int64_t panel = tile / columns.count, part = tile % columns.count;
    const int64_t first = panels.begin(panel);
    compute(state, first, panels.size(panel), static_cast<int32_t>(columns.begin(part)),
            static_cast<int32_t>(columns.end(part)), core_of(first),
            kernel_scratch(state, context, thread));
  });
  for_tiles(context, threads, panels.count, [&](int64_t panel, int32_t thread) {
    const int64_t first = panels.begin(panel);
    const EpilogueScratch scratch(context.scratch(thread), state.panel_rows, s.width);
    float* own = state.epilogue.core_is_stored() ? scratch.panel : shared + first * s.width;
    state.epilogue.finish(first, panels.size(panel), core_of(first), s.width, own, scratch.absmax);
  });
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const LinearState*>(memory);
  state.epilogue.clear_halo();
  state.split ? run_columns(state, context) : run_panels(state, context);
}

const char* variant(const void* memory) {
  const auto& state = *static_cast<const LinearState*>(memory);
  return state.float32 ? state.float32->name : state.int8->name;
}

int64_t multiply_adds(const OpInfo& info) {
  const LinearShape s = shape_of(info);
  return s.rows * s.width * s.k;
}

}  // namespace

const NodeKind kLinearNode = {.name = "linear",
                              .type = fb::OpOptions::LinearOptions,
                              .state_bytes = sizeof(LinearState),
                              .verify = verify,
                              .scratch = scratch,
                              .arena_bytes = arena_bytes,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = variant,
                              .multiply_adds = multiply_adds};

}  // namespace heed
