// 2-D convolution of [B, H, W, C] images by XNNPACK, with an optional ReLU.

#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "engine/xnnpack/xnnpack_convolution.h"

namespace heed {
namespace {

constexpr size_t kX = 0, kWeights = 1, kBias = 2;
constexpr int64_t kSizeMax = 1 << 20;
constexpr int64_t kPointersMax = int64_t{1} << 40;  // one for each tap of each output pixel

ConvolutionShape shape_of(const OpInfo& info) {
  const auto& o = info.options<fb::ConvOptions>();
  const Shape &x = info.input(kX).shape, &w = info.input(kWeights).shape;
  const Shape& y = info.output(0).shape;
  return {.batch = x.dims[0],
          .in_h = x.dims[1],
          .in_w = x.dims[2],
          .out_h = y.dims[1],
          .out_w = y.dims[2],
          .groups = o.groups(),
          .group_in = w.dims[3],
          .group_out = w.dims[0] / o.groups(),
          .kernel_h = static_cast<uint32_t>(w.dims[1]),
          .kernel_w = static_cast<uint32_t>(w.dims[2]),
          .stride_h = o.stride_h(),
          .stride_w = o.stride_w(),
          .dilation_h = o.dilation_h(),
          .dilation_w = o.dilation_w(),
          .pad_top = o.pad_top(),
          .pad_left = o.pad_left(),
          .pad_bottom = o.pad_bottom(),
          .pad_right = o.pad_right(),
          .relu = o.activation() == fb::Activation::relu};
}

Status verify_axis(const OpCheck& check, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                   int64_t dilation, int64_t padding) {
  HEED_TRY(check.require(kernel >= 1 && kernel <= kSizeMax && stride >= 1 && stride <= kSizeMax &&
                             dilation >= 1 && dilation <= kSizeMax && padding <= kSizeMax,
                         "a kernel, stride, dilation or padding is out of range", kSizeMax,
                         kernel));
  const int64_t span = in + padding - ((kernel - 1) * dilation + 1);
  HEED_TRY(check.require(in >= 1 && span >= 0, "a kernel is larger than its input", kernel, in));
  return check.require(out == span / stride + 1, "an output has the wrong size", span / stride + 1,
                       out);
}

Status verify_weights(const OpCheck& check, const OpInfo& info) {
  const auto& o = info.options<fb::ConvOptions>();
  const TensorView &x = info.input(kX), &weights = info.input(kWeights), &y = info.output(0);
  HEED_TRY(check.type(weights, DataType::f32));
  HEED_TRY(check.require(weights.data != nullptr && x.data == nullptr,
                         "a convolution needs constant weights and a computed input"));
  HEED_TRY(check.require(weights.shape.rank == 4 && weights.shape.elements() >= 1,
                         "a convolution's weights need 4 dimensions", 4, weights.shape.rank));
  const int64_t groups = o.groups(), outputs = weights.shape.dims[0];
  HEED_TRY(check.require(
      groups >= 1 && outputs % groups == 0 && weights.shape.dims[3] * groups == x.shape.last() &&
          outputs == y.shape.last(),
      "a convolution's channels do not fit its weights", x.shape.last(), weights.shape.dims[3]));
  if (!info.has_input(kBias)) return Status::ok;
  const TensorView& bias = info.input(kBias);
  HEED_TRY(check.type(bias, DataType::f32));
  return check.require(bias.data != nullptr && bias.shape.elements() == outputs,
                       "a convolution's bias has the wrong size", outputs, bias.shape.elements());
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& o = info.options<fb::ConvOptions>();
  HEED_TRY(check.operands(2, 3));
  const TensorView &x = info.input(kX), &y = info.output(0);
  HEED_TRY(check.type(x, DataType::f32));
  HEED_TRY(check.type(y, DataType::f32));
  HEED_TRY(check.require(x.shape.rank == 4 && y.shape.rank == 4 && x.shape.dims[0] >= 1 &&
                             x.shape.dims[0] == y.shape.dims[0],
                         "a convolution needs [B, H, W, C]", 4, x.shape.rank));
  HEED_TRY(verify_weights(check, info));
  HEED_TRY(check.require(
      o.activation() == fb::Activation::none || o.activation() == fb::Activation::relu,
      "a convolution knows no activation but ReLU", 0, static_cast<int64_t>(o.activation())));
  const Shape& w = info.input(kWeights).shape;
  HEED_TRY(verify_axis(check, x.shape.dims[1], y.shape.dims[1], w.dims[1], o.stride_h(),
                       o.dilation_h(), static_cast<int64_t>(o.pad_top()) + o.pad_bottom()));
  HEED_TRY(verify_axis(check, x.shape.dims[2], y.shape.dims[2], w.dims[2], o.stride_w(),
                       o.dilation_w(), static_cast<int64_t>(o.pad_left()) + o.pad_right()));
  const int64_t pixels = int64_t{y.shape.dims[1]} * y.shape.dims[2];
  return check.require(int64_t{w.dims[1]} * w.dims[2] <= kPointersMax / pixels,
                       "a convolution is too large", kPointersMax, pixels);
}

ScratchNeed scratch(const OpInfo& info, int32_t threads) {
  return {convolution_workspace_bytes(shape_of(info), threads), 0};
}

size_t arena_bytes(const OpInfo& info, int32_t) { return convolution_bytes(shape_of(info)); }

struct ConvState {
  xnn_operator* convolution;
  ConvolutionShape shape;
  const float* x;
  float* y;
  size_t workspace_bytes;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const ConvolutionShape shape = shape_of(info);
  auto* state = new (memory)
      ConvState{nullptr, shape, info.input(kX).as<const float>(), info.output(0).as<float>(),
                convolution_workspace_bytes(shape, context.threads)};
  const size_t bytes = convolution_bytes(shape);
  auto* own = static_cast<std::byte*>(context.arena.take(bytes));
  if (!own) {
    return fail(context.diagnostic, Status::memory_too_small, "no room for a convolution",
                info.index);
  }
  Arena arena(own, bytes);
  return create_convolution(shape, info.input(kWeights).as<const float>(),
                            info.has_input(kBias) ? info.input(kBias).as<const float>() : nullptr,
                            arena, &state->convolution, context.diagnostic);
}

void run(const void* memory, RunContext& context) {
  const auto& s = *static_cast<const ConvState*>(memory);
  if (!run_convolution(s.convolution, s.shape, s.x, s.y, context.shared, s.workspace_bytes,
                       context.threads)) {
    note_fault(context, "XNNPACK refused a convolution", 0);
  }
}

void destroy(void* memory) {
  const auto& s = *static_cast<const ConvState*>(memory);
  if (s.convolution) delete_convolution(s.convolution);
}

const char* variant(const void*) { return "xnnpack"; }

int64_t multiply_adds(const OpInfo& info) {
  const ConvolutionShape s = shape_of(info);
  return info.output(0).shape.elements() * s.group_in * s.kernel_h * s.kernel_w;
}

}  // namespace

const NodeKind kConvNode = {.name = "conv",
                            .type = fb::OpOptions::ConvOptions,
                            .state_bytes = sizeof(ConvState),
                            .verify = verify,
                            .scratch = scratch,
                            .arena_bytes = arena_bytes,
                            .prepare = prepare,
                            .run = run,
                            .destroy = destroy,
                            .variant = variant,
                            .multiply_adds = multiply_adds,
                            .uses_pool = true};

}  // namespace heed
