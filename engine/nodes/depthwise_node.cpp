// Depthwise 2-D convolution, then the row epilogue: a row is a pixel's channels.
//
// Panels of pixels go to the threads, each cut where a row of the picture ends; the epilogue finds
// them in the cache.

#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/pixel_windows.h"
#include "engine/nodes/row_epilogue.h"
#include "engine/nodes/tiles.h"
#include "ops/depthwise/depthwise.h"

namespace heed {
namespace {

constexpr size_t kX = 0, kWeights = 1, kBias = 2;
constexpr int64_t kKernelMax = 64;  // of the rows of a kernel: their places are on the stack
constexpr int64_t kParallelWork = 1
                                  << 16;  // multiply-adds below which threads are not worth waking

int64_t pixels_of(const OpInfo& info) {
  const PixelWindows w = PixelWindows::of(info.options<fb::DepthwiseOptions>().window());
  return info.input(kX).shape.rows() / (w.in_h * w.in_w) * w.out_h * w.out_w;
}

Status verify_floats(const OpCheck& check, const TensorView& tensor, int64_t elements) {
  HEED_TRY(check.type(tensor, DataType::f32));
  return check.require(tensor.shape.elements() == elements,
                       "a convolution's weights or bias have the wrong size", elements,
                       tensor.shape.elements());
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::DepthwiseOptions>();
  HEED_TRY(check.operands_with_epilogue(2, 3));
  const TensorView& x = info.input(kX);
  HEED_TRY(check.type(x, DataType::f32));
  HEED_TRY(check.require(options.window() != nullptr, "a convolution has no windows"));
  const PixelWindows w = PixelWindows::of(options.window());
  HEED_TRY(verify_pixel_windows(check, w));
  HEED_TRY(check.require(w.kernel_h <= kKernelMax, "a kernel is too high", kKernelMax, w.kernel_h));
  const int32_t channels = epilogue_width(info);
  HEED_TRY(check.require(channels >= 1 && x.shape.last() == channels && x.shape.elements() >= 1,
                         "a depthwise convolution changes the number of channels", x.shape.last(),
                         channels));
  HEED_TRY(check.require(x.shape.rows() % (w.in_h * w.in_w) == 0,
                         "a convolution's input is not whole pictures", w.in_h * w.in_w,
                         x.shape.rows()));
  const int64_t images = x.shape.rows() / (w.in_h * w.in_w);
  HEED_TRY(
      check.require(w.out_h * w.out_w <= INT32_MAX / images, "a convolution has too many rows"));
  HEED_TRY(verify_epilogue(info, options.epilogue(), pixels_of(info), diagnostic));
  HEED_TRY(check.require(w.taps() <= INT32_MAX / channels, "a convolution has too many weights"));
  HEED_TRY(verify_floats(check, info.input(kWeights), w.taps() * channels));
  return info.has_input(kBias) ? verify_floats(check, info.input(kBias), channels) : Status::ok;
}

ScratchNeed scratch(const OpInfo& info, int32_t) {
  const int64_t panel = std::min<int64_t>(pixels_of(info), Panels::rows_max(epilogue_width(info)));
  return {0, epilogue_scratch_bytes(panel, epilogue_width(info))};
}

struct DepthwiseState {
  const DepthwiseKernel* kernel;
  PixelWindows windows;
  RowEpilogue epilogue;
  DepthwiseArgs args;  // rows, y, first and count are set per call
  const float* x;
  int64_t pixels;
  int32_t panel_rows;  // as scratch() counted
  int64_t multiply_adds;
};

int64_t multiply_adds(const OpInfo& info) {
  const PixelWindows w = PixelWindows::of(info.options<fb::DepthwiseOptions>().window());
  return pixels_of(info) * epilogue_width(info) * w.taps();
}

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  auto* state = new (memory) DepthwiseState{};
  const auto& options = info.options<fb::DepthwiseOptions>();
  const PixelWindows w = PixelWindows::of(options.window());
  state->kernel = context.kernels.depthwise;
  state->windows = w;
  state->epilogue = make_epilogue(info, options.epilogue(), context.kernels);
  state->x = info.input(kX).as<const float>();
  state->pixels = pixels_of(info);
  state->panel_rows = static_cast<int32_t>(
      std::min<int64_t>(state->pixels, Panels::rows_max(state->epilogue.width)));
  state->multiply_adds = multiply_adds(info);
  state->args = {.rows = nullptr,
                 .w = info.input(kWeights).as<const float>(),
                 .bias = info.has_input(kBias) ? info.input(kBias).as<const float>() : nullptr,
                 .y = nullptr,
                 .first = 0,
                 .count = 0,
                 .in_w = static_cast<int32_t>(w.in_w),
                 .channels = state->epilogue.width,
                 .kernel_h = static_cast<int32_t>(w.kernel_h),
                 .kernel_w = static_cast<int32_t>(w.kernel_w),
                 .stride = static_cast<int32_t>(w.stride_w),
                 .dilation = static_cast<int32_t>(w.dilation_w),
                 .pad = static_cast<int32_t>(w.pad_left)};
  return Status::ok;
}

/// Pixels first .. first + count - 1, which may lie in several rows of several pictures.
void compute(const DepthwiseState& state, int64_t first, int32_t count, float* y) {
  const PixelWindows& w = state.windows;
  const float* rows[kKernelMax];
  DepthwiseArgs args = state.args;
  args.rows = rows;
  while (count > 0) {
    const int64_t row = first / w.out_w, image = row / w.out_h;
    args.first = static_cast<int32_t>(first % w.out_w);
    args.count = static_cast<int32_t>(std::min<int64_t>(count, w.out_w - args.first));
    args.y = y;
    for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
      const int64_t in = row % w.out_h * w.stride_h - w.pad_top + ky * w.dilation_h;
      rows[ky] = in < 0 || in >= w.in_h
                     ? nullptr
                     : state.x + (image * w.in_h + in) * w.in_w * int64_t{args.channels};
    }
    state.kernel->run(args);
    first += args.count;
    count -= args.count;
    y += ptrdiff_t{args.count} * args.channels;
  }
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const DepthwiseState*>(memory);
  const int32_t width = state.epilogue.width;
  state.epilogue.clear_halo();
  const int32_t threads = state.multiply_adds < kParallelWork ? 1 : context.threads.count();
  const Panels panels = Panels::of(state.pixels, width, threads);
  for_tiles(context, threads, panels.count, [&](int64_t tile, int32_t thread) {
    const int64_t first = panels.begin(tile);
    const int32_t count = panels.size(tile);
    const EpilogueScratch scratch(context.scratch(thread), state.panel_rows, width);
    float* core = state.epilogue.core(first, scratch.panel);
    compute(state, first, count, core);
    state.epilogue.finish(first, count, core, width, scratch.panel, scratch.absmax);
  });
}

const char* variant(const void* memory) {
  return static_cast<const DepthwiseState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kDepthwiseNode = {.name = "depthwise",
                                 .type = fb::OpOptions::DepthwiseOptions,
                                 .state_bytes = sizeof(DepthwiseState),
                                 .verify = verify,
                                 .scratch = scratch,
                                 .arena_bytes = nullptr,
                                 .prepare = prepare,
                                 .run = run,
                                 .destroy = nullptr,
                                 .variant = variant,
                                 .multiply_adds = multiply_adds};

}  // namespace heed
