// heed's Conv and Pool: channels last, one or two spatial dimensions. One dimension is computed as
// two, of which the first has size 1.

#include <algorithm>
#include <limits>
#include <vector>

#include "converter/graph/fused_ops.h"
#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"

namespace heed::graph {
namespace {

struct Axis {  // one spatial dimension
  int64_t in = 1, kernel = 1, stride = 1, dilation = 1, before = 0, out = 1;
};

struct Window {
  Axis h, w;
  bool flat = false;  // one spatial dimension
};

Window window_of(const OpCall& call, const Shape& kernel) {
  const size_t spatial = kernel.size();
  call.need(spatial == 1 || spatial == 2, "only one or two spatial dimensions are supported");
  call.need_rank(0, static_cast<int64_t>(spatial) + 2);
  const std::vector<int64_t> ones(spatial, 1);
  const auto strides = call.node.ints_or("strides", ones);
  const auto dilations = call.node.ints_or("dilations", ones);
  const auto pads = call.node.ints_or("pads", std::vector<int64_t>(2 * spatial, 0));
  call.need(strides.size() == spatial && dilations.size() == spatial && pads.size() == 2 * spatial,
            "strides, dilations or pads do not fit the spatial dimensions");
  Window window;
  window.flat = spatial == 1;
  for (size_t i = 0; i < spatial; ++i) {
    Axis& axis = i + 1 == spatial ? window.w : window.h;
    axis = {call.dim(0, i + 1), kernel[i], strides[i], dilations[i], pads[i], 1};
    call.need(axis.kernel > 0 && axis.stride > 0 && axis.dilation > 0 && axis.before >= 0 &&
                  pads[spatial + i] >= 0,
              "kernel, strides, dilations or pads are out of range");
    const int64_t room =
        axis.in + pads[i] + pads[spatial + i] - ((axis.kernel - 1) * axis.dilation + 1);
    call.need(room >= 0, "the window is larger than the padded input");
    axis.out = room / axis.stride + 1;
  }
  return window;
}

void infer_windowed(OpCall& call, const Window& window, int64_t channels) {
  Shape out = {call.dim(0, 0)};
  if (!window.flat) out.push_back(window.h.out);
  out.push_back(window.w.out);
  out.push_back(channels);
  call.result(0, DType::f32, out);
}

/// Calls visit(kernel position, pixel of x) for every pixel of the window at output (y, x) that
/// lies inside; gives how many there are.
template <class Visit>
int64_t visit_window(const Window& window, int64_t y, int64_t x, Visit visit) {
  const Axis &h = window.h, &w = window.w;
  int64_t inside = 0;
  for (int64_t ky = 0; ky < h.kernel; ++ky) {
    const int64_t iy = y * h.stride + ky * h.dilation - h.before;
    if (iy < 0 || iy >= h.in) continue;
    for (int64_t kx = 0; kx < w.kernel; ++kx) {
      const int64_t ix = x * w.stride + kx * w.dilation - w.before;
      if (ix < 0 || ix >= w.in) continue;
      visit(ky * w.kernel + kx, iy * w.in + ix);
      ++inside;
    }
  }
  return inside;
}

Window conv_window(const OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.need_dtype(1, DType::f32);
  const Shape& weight = call.shape(1);
  call.need(weight.size() >= 3, "the weight needs a kernel");
  return window_of(call, Shape(weight.begin() + 1, weight.end() - 1));
}

void infer_conv(OpCall& call) {
  const Window window = conv_window(call);
  const int64_t groups = call.node.int_or("group", 1), outputs = call.dim(1, 0);
  call.need(groups > 0 && call.shape(0).back() == call.shape(1).back() * groups && outputs > 0 &&
                outputs % groups == 0,
            "the channels do not fit the weight and its groups");
  call.need(!call.has(2) || call.shape(2) == Shape{outputs},
            "the bias must have one element per output channel");
  infer_windowed(call, window, outputs);
}

void evaluate_conv(OpCall& call) {
  const Window window = conv_window(call);
  const int64_t groups = call.node.int_or("group", 1), outputs = call.dim(1, 0);
  const int64_t channels = call.shape(0).back(), width = channels / groups;
  const int64_t taps = window.h.kernel * window.w.kernel, pixels = window.h.in * window.w.in;
  float* y = call.y().data();
  for (int64_t image = 0; image < call.dim(0, 0); ++image) {
    const float* plane = call.f32(0).data() + image * pixels * channels;
    for (int64_t at = 0; at < window.h.out * window.w.out; ++at, y += outputs) {
      for (int64_t n = 0; n < outputs; ++n) {
        y[n] = call.has(2) ? call.f32(2)[static_cast<size_t>(n)] : 0.0f;
      }
      visit_window(window, at / window.w.out, at % window.w.out, [&](int64_t tap, int64_t pixel) {
        for (int64_t n = 0; n < outputs; ++n) {
          const float* weight = call.f32(1).data() + (n * taps + tap) * width;
          const float* x = plane + pixel * channels + n / (outputs / groups) * width;
          float sum = 0;
          for (int64_t c = 0; c < width; ++c) sum += x[c] * weight[c];
          y[n] += sum;
        }
      });
    }
  }
  const std::string activation = call.node.string_or("activation", "");
  if (!apply_activation(activation, call.y().data(), static_cast<int64_t>(call.y().size()))) {
    call.fail("unknown activation '" + activation + "'");
  }
}

Window pool_window(const OpCall& call) {
  call.need_dtype(0, DType::f32);
  return window_of(call, call.node.ints_or("kernel", {}));
}

void infer_pool(OpCall& call) {
  const std::string kind = call.node.string_or("kind", "");
  call.need(kind == "max" || kind == "average", "its kind must be max or average");
  infer_windowed(call, pool_window(call), call.shape(0).back());
}

void evaluate_pool(OpCall& call) {
  const Window window = pool_window(call);
  const bool is_max = call.node.string_or("kind", "") == "max";
  const bool count_padding = call.node.int_or("count_padding", 0) != 0;
  const int64_t channels = call.shape(0).back(), pixels = window.h.in * window.w.in;
  const float first = is_max ? -std::numeric_limits<float>::infinity() : 0.0f;
  float* y = call.y().data();
  for (int64_t image = 0; image < call.dim(0, 0); ++image) {
    const float* plane = call.f32(0).data() + image * pixels * channels;
    for (int64_t at = 0; at < window.h.out * window.w.out; ++at, y += channels) {
      std::fill_n(y, channels, first);
      int64_t count =
          visit_window(window, at / window.w.out, at % window.w.out, [&](int64_t, int64_t pixel) {
            const float* x = plane + pixel * channels;
            for (int64_t c = 0; c < channels; ++c)
              y[c] = is_max ? std::max(y[c], x[c]) : y[c] + x[c];
          });
      if (is_max) continue;
      if (count_padding) count = window.h.kernel * window.w.kernel;
      const float share = 1.0f / static_cast<float>(std::max<int64_t>(count, 1));
      for (int64_t c = 0; c < channels; ++c) y[c] *= share;
    }
  }
}

constexpr OpRule kChannelsLastRules[] = {
    {kFusedDomain, "Conv", infer_conv, evaluate_conv},
    {kFusedDomain, "PixelsLinear", infer_conv, evaluate_conv},
    {kFusedDomain, "Depthwise", infer_conv, evaluate_conv},
    {kFusedDomain, "Pool", infer_pool, evaluate_pool},
};

}  // namespace

std::span<const OpRule> channels_last_rules() { return kChannelsLastRules; }

}  // namespace heed::graph
