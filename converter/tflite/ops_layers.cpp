// Layers with weights, convolutions and pools. The format has channels last, ONNX's words have them
// first: the transposes between are what the passes expect around convolutions and take away.

#include <algorithm>
#include <string>
#include <utility>

#include "converter/graph/op_call.h"
#include "converter/tflite/op_writer.h"

namespace heed::tflite {
namespace {

using Op = tfl::BuiltinOperator;

const Ints kToFirst = {0, 3, 1, 2}, kToLast = {0, 2, 3, 1};

// -- matrices

Ids fully_connected(OpWriter& w) {
  const auto options = w.options<tfl::FullyConnectedOptions>();
  w.need(options.weights_format == tfl::WeightsFormat::plain, "its weights are shuffled");
  ValueId x = w.in(0);
  const ValueId weights = w.weights_in(1);
  w.need(w.shape(weights).size() == 2, "its weights are no matrix");
  const int64_t k = w.shape(weights)[1], n = w.shape(weights)[0];
  w.need(k > 0 && n > 0, "its weights are empty");
  Shape flat = w.shape(x);
  const bool keep = options.keep_num_dims && !flat.empty();
  if (!keep) {
    const int64_t count = graph::element_count(flat);
    w.need(count >= 0 && count % k == 0, "its operands do not fit each other");
    x = w.reshape(x, {count / k, k});
  }
  ValueId y = w.node("MatMul", {x, w.turned(weights)});
  if (w.has(2)) y = w.node("Add", {y, w.in(2)});
  return {w.activated(y, options.fused_activation_function)};
}

Ids batch_matmul(OpWriter& w) {
  const auto options = w.options<tfl::BatchMatMulOptions>();
  ValueId x = w.in(0), y = w.in(1);
  if (options.adj_x) x = w.turned(x);
  if (options.adj_y) y = w.turned(y);
  return {w.node("MatMul", {x, y})};
}

Ids embedding_lookup(OpWriter& w) {
  return {w.node("Gather", {w.in(1), w.in(0)}, {{"axis", int64_t{0}}})};
}

// -- windows over two dimensions

struct Windows {
  int64_t kernel[2], stride[2], dilation[2];
  Ints pads;  // begins, then ends
};

Ints strides_of(const Windows& windows) { return {windows.stride[0], windows.stride[1]}; }
Ints kernel_of(const Windows& windows) { return {windows.kernel[0], windows.kernel[1]}; }

/// `in`: the two sizes. SAME pads as little as keeps in / stride windows, the odd one at the end.
void fix_pads(OpWriter& w, tfl::Padding padding, const int64_t (&in)[2], Windows& windows) {
  constexpr int64_t kMost = 1 << 20;
  for (size_t i = 0; i < 2; ++i) {
    for (const int64_t number : {windows.kernel[i], windows.stride[i], windows.dilation[i]}) {
      w.need(number > 0 && number <= kMost, "its kernel, strides or dilations are out of range");
    }
  }
  windows.pads.assign(4, 0);
  if (padding == tfl::Padding::VALID) return;
  w.need(padding == tfl::Padding::SAME, "its padding is unknown");
  for (size_t i = 0; i < 2; ++i) {
    const int64_t out = (in[i] + windows.stride[i] - 1) / windows.stride[i];
    const int64_t reach =
        (out - 1) * windows.stride[i] + (windows.kernel[i] - 1) * windows.dilation[i] + 1;
    const int64_t total = std::max<int64_t>(0, reach - in[i]);
    windows.pads[i] = total / 2;
    windows.pads[i + 2] = total - total / 2;
  }
}

/// A Conv of weights [O, kernel.., C/group]. Over one row of pixels it is one over frames.
ValueId convolved(OpWriter& w, ValueId x, ValueId weights, const Windows& windows, int64_t group) {
  const Shape in = w.shape(x), kernel = w.shape(weights);
  if (in[1] == 1 && kernel[1] == 1 && windows.pads[0] + windows.pads[2] == 0) {
    const Ints to_first = {0, 2, 1};
    const ValueId row = w.transpose(w.reshape(x, {in[0], in[2], in[3]}), to_first);
    const ValueId taps =
        w.transpose(w.reshape(weights, {kernel[0], kernel[2], kernel[3]}), to_first);
    const ValueId made = w.node("Conv", {row, taps},
                                {{"strides", Ints{windows.stride[1]}},
                                 {"dilations", Ints{windows.dilation[1]}},
                                 {"pads", Ints{windows.pads[1], windows.pads[3]}},
                                 {"group", group}});
    const ValueId last = w.transpose(made, to_first);
    const Shape frames = w.shape(last);
    return w.reshape(last, {frames[0], 1, frames[1], frames[2]});
  }
  const ValueId made = w.node("Conv", {w.transpose(x, kToFirst), w.transpose(weights, kToFirst)},
                              {{"strides", strides_of(windows)},
                               {"dilations", Ints{windows.dilation[0], windows.dilation[1]}},
                               {"pads", windows.pads},
                               {"group", group}});
  return w.transpose(made, kToLast);
}

ValueId with_bias(OpWriter& w, ValueId y, size_t operand) {
  return w.has(operand) ? w.node("Add", {y, w.in(operand)}) : y;
}

Ids conv_2d(OpWriter& w) {
  const auto options = w.options<tfl::Conv2DOptions>();
  const ValueId x = w.in(0), weights = w.weights_in(1);
  const Shape in = w.shape(x), kernel = w.shape(weights);
  w.need(in.size() == 4 && kernel.size() == 4, "its operands need four dimensions");
  w.need(kernel[3] > 0 && in[3] % kernel[3] == 0, "its weights do not fit its channels");
  Windows windows{{kernel[1], kernel[2]},
                  {options.stride_h, options.stride_w},
                  {options.dilation_h_factor, options.dilation_w_factor},
                  {}};
  fix_pads(w, options.padding, {in[1], in[2]}, windows);
  const ValueId y = convolved(w, x, weights, windows, in[3] / kernel[3]);
  return {w.activated(with_bias(w, y, 2), options.fused_activation_function)};
}

Ids depthwise_conv_2d(OpWriter& w) {
  const auto options = w.options<tfl::DepthwiseConv2DOptions>();
  const ValueId x = w.in(0);
  ValueId weights = w.weights_in(1);
  const Shape in = w.shape(x), kernel = w.shape(weights);
  w.need(in.size() == 4 && kernel.size() == 4 && kernel[0] == 1,
         "its operands need four dimensions");
  w.need(in[3] > 0 && kernel[3] % in[3] == 0, "its weights do not fit its channels");
  Windows windows{{kernel[1], kernel[2]},
                  {options.stride_h, options.stride_w},
                  {options.dilation_h_factor, options.dilation_w_factor},
                  {}};
  fix_pads(w, options.padding, {in[1], in[2]}, windows);
  weights = w.transpose(weights, {3, 1, 2, 0});  // [C * multiplier, kernel.., 1]
  const ValueId y = convolved(w, x, weights, windows, in[3]);
  return {w.activated(with_bias(w, y, 2), options.fused_activation_function)};
}

Ids transpose_conv(OpWriter& w) {
  const auto options = w.options<tfl::TransposeConvOptions>();
  const Ints out = w.ints_in(0, "output sizes");
  const ValueId weights = w.weights_in(1), x = w.in(2);
  const Shape in = w.shape(x), kernel = w.shape(weights);
  w.need(in.size() == 4 && kernel.size() == 4 && out.size() == 4,
         "its operands need four dimensions");
  w.need(out[1] > 0 && out[2] > 0 && out[1] < INT32_MAX && out[2] < INT32_MAX,
         "its output sizes are out of range");
  Windows windows{{kernel[1], kernel[2]}, {options.stride_h, options.stride_w}, {1, 1}, {}};
  // The padding is that of the convolution that would lead back.
  fix_pads(w, options.padding, {out[1], out[2]}, windows);
  Ints more(2, 0);
  for (size_t i = 0; i < 2; ++i) {
    const int64_t whole = windows.stride[i] * (in[i + 1] - 1) + windows.kernel[i];
    const int64_t end = whole - windows.pads[i] - out[i + 1];
    windows.pads[i + 2] = std::max<int64_t>(0, end);
    more[i] = std::max<int64_t>(0, -end);
  }
  const ValueId made =
      w.node("ConvTranspose", {w.transpose(x, kToFirst), w.transpose(weights, {3, 0, 1, 2})},
             {{"strides", strides_of(windows)}, {"pads", windows.pads}, {"output_padding", more}});
  const ValueId y = with_bias(w, w.transpose(made, kToLast), 3);
  return {w.activated(y, options.fused_activation_function)};
}

Ids pool(OpWriter& w) {
  const auto options = w.options<tfl::Pool2DOptions>();
  const ValueId x = w.in(0);
  const Shape in = w.shape(x);
  w.need(in.size() == 4, "its operand needs four dimensions");
  Windows windows{{options.filter_height, options.filter_width},
                  {options.stride_h, options.stride_w},
                  {1, 1},
                  {}};
  fix_pads(w, options.padding, {in[1], in[2]}, windows);
  const ValueId made = w.node(w.word(), {w.transpose(x, kToFirst)},
                              {{"kernel_shape", kernel_of(windows)},
                               {"strides", strides_of(windows)},
                               {"pads", windows.pads}});
  return {w.activated(w.transpose(made, kToLast), options.fused_activation_function)};
}

/// Sizes are given for the two dimensions in the middle.
Ids resize(OpWriter& w, const std::string& mode, bool align_corners, bool half_pixels) {
  const Shape in = w.shape_in(0);
  const Ints to = w.ints_in(1, "sizes");
  w.need(in.size() == 4 && to.size() == 2, "its operand needs four dimensions");
  std::string where = "asymmetric", nearest = "floor";
  if (align_corners) {
    where = "align_corners";
    nearest = "round_prefer_ceil";
  } else if (half_pixels) {
    where = "half_pixel";
    nearest = "round_prefer_ceil";
  }
  const ValueId sizes = w.integers({in[0], to[0], to[1], in[3]});
  return {w.node(
      "Resize", {w.in(0), kNoValue, kNoValue, sizes},
      {{"mode", mode}, {"coordinate_transformation_mode", where}, {"nearest_mode", nearest}})};
}

Ids resize_bilinear(OpWriter& w) {
  const auto options = w.options<tfl::ResizeBilinearOptions>();
  return resize(w, "linear", options.align_corners, options.half_pixel_centers);
}

Ids resize_nearest(OpWriter& w) {
  const auto options = w.options<tfl::ResizeNearestNeighborOptions>();
  return resize(w, "nearest", options.align_corners, options.half_pixel_centers);
}

}  // namespace

std::vector<OpRecipe> layer_recipes() {
  return {{Op::AVERAGE_POOL_2D, pool, "AveragePool"},
          {Op::BATCH_MATMUL, batch_matmul},
          {Op::CONV_2D, conv_2d},
          {Op::DEPTHWISE_CONV_2D, depthwise_conv_2d},
          {Op::EMBEDDING_LOOKUP, embedding_lookup},
          {Op::FULLY_CONNECTED, fully_connected},
          {Op::MAX_POOL_2D, pool, "MaxPool"},
          {Op::RESIZE_BILINEAR, resize_bilinear},
          {Op::RESIZE_NEAREST_NEIGHBOR, resize_nearest},
          {Op::TRANSPOSE_CONV, transpose_conv}};
}

}  // namespace heed::tflite
