// Convolution and pooling over one or two spatial dimensions. One dimension is computed as two, of
// which the first has size 1.

#include <algorithm>
#include <limits>

#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"

namespace heed::graph {
namespace {

struct Axis {  // one spatial dimension
  int64_t in = 1, kernel = 1, stride = 1, dilation = 1, pad_before = 0, pad_after = 0, out = 1;
  int64_t reach() const { return (kernel - 1) * dilation + 1; }
};

struct Window {
  Axis h, w;
  bool flat = false;  // one spatial dimension
};

int64_t checked(const OpCall& call, int64_t value, int64_t least, const char* what) {
  if (value < least || value > kElementsMax) call.fail(std::string(what) + " is out of range");
  return value;
}

void finish_axis(const OpCall& call, Axis& axis) {
  const std::string auto_pad = call.node.string_or("auto_pad", "NOTSET");
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    axis.out = (axis.in + axis.stride - 1) / axis.stride;
    const int64_t missing =
        std::max<int64_t>((axis.out - 1) * axis.stride + axis.reach() - axis.in, 0);
    axis.pad_before = auto_pad == "SAME_UPPER" ? missing / 2 : missing - missing / 2;
    axis.pad_after = missing - axis.pad_before;
    return;
  }
  if (auto_pad == "VALID") axis.pad_before = axis.pad_after = 0;
  const int64_t room = axis.in + axis.pad_before + axis.pad_after - axis.reach();
  call.need(room >= 0, "the window is larger than the padded input");
  axis.out = room / axis.stride + 1;
  if (call.node.int_or("ceil_mode", 0) != 0 && room % axis.stride != 0) {
    const bool starts_inside = axis.out * axis.stride < axis.in + axis.pad_before;
    if (starts_inside) ++axis.out;
  }
}

Window window_of(const OpCall& call, const Shape& kernel) {
  const size_t spatial = kernel.size();
  call.need(spatial == 1 || spatial == 2, "only one or two spatial dimensions are supported");
  call.need_rank(0, static_cast<int64_t>(spatial) + 2);
  const std::vector<int64_t> ones(spatial, 1), zeros(2 * spatial, 0);
  const std::vector<int64_t> strides = call.node.ints_or("strides", ones);
  const std::vector<int64_t> dilations = call.node.ints_or("dilations", ones);
  const std::vector<int64_t> pads = call.node.ints_or("pads", zeros);
  call.need(strides.size() == spatial && dilations.size() == spatial && pads.size() == 2 * spatial,
            "strides, dilations or pads do not fit the spatial dimensions");
  Window window;
  window.flat = spatial == 1;
  for (size_t i = 0; i < spatial; ++i) {
    Axis& axis = i + 1 == spatial ? window.w : window.h;
    axis.in = call.dim(0, i + 2);
    axis.kernel = checked(call, kernel[i], 1, "the kernel's size");
    axis.stride = checked(call, strides[i], 1, "a stride");
    axis.dilation = checked(call, dilations[i], 1, "a dilation");
    axis.pad_before = checked(call, pads[i], 0, "a pad");
    axis.pad_after = checked(call, pads[spatial + i], 0, "a pad");
    finish_axis(call, axis);
  }
  return window;
}

void infer_windowed(OpCall& call, const Window& window, int64_t channels) {
  Shape out = {call.dim(0, 0), channels};
  if (!window.flat) out.push_back(window.h.out);
  out.push_back(window.w.out);
  call.result(0, DType::f32, out);
}

Window conv_window(const OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.need_dtype(1, DType::f32);
  const Shape& weight = call.shape(1);
  call.need(weight.size() >= 3, "the weight needs a kernel");
  const Shape kernel(weight.begin() + 2, weight.end());
  call.need(call.node.ints_or("kernel_shape", kernel) == kernel,
            "kernel_shape is not the weight's");
  return window_of(call, kernel);
}

void infer_conv(OpCall& call) {
  const Window window = conv_window(call);
  const int64_t groups = call.node.int_or("group", 1);
  call.need(groups > 0 && call.dim(0, 1) == call.dim(1, 1) * groups && call.dim(1, 0) > 0 &&
                call.dim(1, 0) % groups == 0,
            "the channels do not fit the weight and its groups");
  call.need(!call.has(2) || call.shape(2) == Shape{call.dim(1, 0)},
            "the bias must have one element per output channel");
  infer_windowed(call, window, call.dim(1, 0));
}

/// Rows of `patches`: channel, kernel row, kernel column; columns: the positions first..first+count
/// of the output, row-major.
void unfold(const Window& window, const float* x, int64_t channels, int64_t first, int64_t count,
            float* patches) {
  const Axis &h = window.h, &w = window.w;
  for (int64_t c = 0; c < channels; ++c) {
    const float* plane = x + c * h.in * w.in;
    for (int64_t ky = 0; ky < h.kernel; ++ky) {
      for (int64_t kx = 0; kx < w.kernel; ++kx, patches += count) {
        for (int64_t i = 0; i < count; ++i) {
          const int64_t y = (first + i) / w.out, column = (first + i) % w.out;
          const int64_t iy = y * h.stride + ky * h.dilation - h.pad_before;
          const int64_t ix = column * w.stride + kx * w.dilation - w.pad_before;
          const bool inside = iy >= 0 && iy < h.in && ix >= 0 && ix < w.in;
          patches[i] = inside ? plane[iy * w.in + ix] : 0.0f;
        }
      }
    }
  }
}

void evaluate_conv(OpCall& call) {
  const Window window = conv_window(call);
  const int64_t groups = call.node.int_or("group", 1), channels = call.dim(1, 1);
  const int64_t outputs = call.dim(1, 0) / groups, positions = window.h.out * window.w.out;
  const int64_t k = channels * window.h.kernel * window.w.kernel;
  const int64_t plane = window.h.in * window.w.in;
  constexpr int64_t kPatchFloats = int64_t{1} << 22;  // unfolded at a time: 16 MiB
  const int64_t block = std::clamp<int64_t>(kPatchFloats / std::max<int64_t>(k, 1), 1, positions);
  std::vector<float> patches(static_cast<size_t>(k * block));
  for (int64_t image = 0; image < call.dim(0, 0) * groups; ++image) {
    const int64_t group = image % groups;
    const float* x = call.f32(0).data() + image * channels * plane;
    const float* weight = call.f32(1).data() + group * outputs * k;
    float* y = call.y().data() + image * outputs * positions;
    for (int64_t first = 0; first < positions; first += block) {
      const int64_t count = std::min(block, positions - first);
      unfold(window, x, channels, first, count, patches.data());
      multiply({weight, k, patches.data(), count, y + first, positions, outputs, k, count});
    }
    for (int64_t n = 0; n < outputs && call.has(2); ++n) {
      const float bias = call.f32(2)[static_cast<size_t>(group * outputs + n)];
      for (int64_t i = 0; i < positions; ++i) y[n * positions + i] += bias;
    }
  }
}

Window pool_window(const OpCall& call) {
  call.need_dtype(0, DType::f32);
  return window_of(call, call.node.ints_or("kernel_shape", {}));
}

void infer_pool(OpCall& call) {
  call.need(!call.wants(1), "the output of indices is not supported");
  const auto window = pool_window(call);  // knows whether there is a dimension of channels
  infer_windowed(call, window, call.dim(0, 1));
}

struct PoolSum {
  double sum = 0;
  float top = -std::numeric_limits<float>::infinity();
  int64_t seen = 0;    // elements of the input
  int64_t padded = 0;  // and of its padding, which the last window of ceil_mode may pass
};

PoolSum pool_at(const Window& window, const float* plane, int64_t y, int64_t x) {
  const Axis &h = window.h, &w = window.w;
  PoolSum pool;
  for (int64_t ky = 0; ky < h.kernel; ++ky) {
    const int64_t iy = y * h.stride + ky * h.dilation - h.pad_before;
    if (iy >= h.in + h.pad_after) break;
    for (int64_t kx = 0; kx < w.kernel; ++kx) {
      const int64_t ix = x * w.stride + kx * w.dilation - w.pad_before;
      if (ix >= w.in + w.pad_after) break;
      ++pool.padded;
      if (iy < 0 || iy >= h.in || ix < 0 || ix >= w.in) continue;
      const float value = plane[iy * w.in + ix];
      pool.sum += static_cast<double>(value);
      pool.top = std::max(pool.top, value);
      ++pool.seen;
    }
  }
  return pool;
}

void evaluate_pool(OpCall& call, bool mean) {
  const Window window = pool_window(call);
  const bool count_padding = call.node.int_or("count_include_pad", 0) != 0;
  const float* plane = call.f32(0).data();
  float* y = call.y().data();
  for (int64_t c = 0; c < call.dim(0, 0) * call.dim(0, 1); ++c) {
    for (int64_t row = 0; row < window.h.out; ++row) {
      for (int64_t column = 0; column < window.w.out; ++column) {
        const PoolSum pool = pool_at(window, plane, row, column);
        const int64_t count = std::max<int64_t>(count_padding ? pool.padded : pool.seen, 1);
        *y++ = mean ? static_cast<float>(pool.sum / static_cast<double>(count)) : pool.top;
      }
    }
    plane += window.h.in * window.w.in;
  }
}

void evaluate_average_pool(OpCall& call) { evaluate_pool(call, true); }
void evaluate_max_pool(OpCall& call) { evaluate_pool(call, false); }

constexpr OpRule kConvRules[] = {
    {"", "AveragePool", infer_pool, evaluate_average_pool},
    {"", "Conv", infer_conv, evaluate_conv},
    {"", "MaxPool", infer_pool, evaluate_max_pool},
};

}  // namespace

std::span<const OpRule> conv_rules() { return kConvRules; }

}  // namespace heed::graph
