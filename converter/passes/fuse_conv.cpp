// Convolutions and pools with constant weights, brought to channels last: what is a linear layer
// over pixels, patches, frames or a signal becomes one, the rest becomes Conv or Pool. The
// transposes that this puts around each are sunk and cancelled by the next pass.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

constexpr int64_t kDepthwiseRowsMax = 64;  // of a kernel
constexpr int64_t kWindowMax = 65536;      // values of a window
constexpr int64_t kSignalTapsMin = 8;      // shorter filters over one channel stay a Conv

/// The numbers of a Conv or pool, all written out.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, before, after;

  bool all(const std::vector<int64_t>& values, int64_t wanted) const {
    return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
  }
  bool unpadded() const { return all(before, 0) && all(after, 0); }
};

/// Nothing where the padding rule is unknown.
std::optional<Window> window_of(const Graph& graph, const Node& node, const Shape& kernel) {
  const Shape& x = shape_of(graph, node.inputs[0]);
  const Shape& y = shape_of(graph, node.outputs[0]);
  const size_t n = kernel.size();
  Window window;
  window.kernel = kernel;
  window.strides = node.ints_or("strides", std::vector<int64_t>(n, 1));
  window.dilations = node.ints_or("dilations", std::vector<int64_t>(n, 1));
  std::vector<int64_t> pads = node.ints_or("pads", std::vector<int64_t>(2 * n, 0));
  const std::string rule = node.string_or("auto_pad", "NOTSET");
  if (rule == "SAME_UPPER" || rule == "SAME_LOWER") {
    for (size_t i = 0; i < n; ++i) {
      const int64_t reach =
          (y[i + 2] - 1) * window.strides[i] + (kernel[i] - 1) * window.dilations[i] + 1;
      const int64_t total = std::max(int64_t{0}, reach - x[i + 2]);
      const int64_t less = total / 2, more = total - less;
      pads[i] = rule == "SAME_UPPER" ? less : more;
      pads[i + n] = rule == "SAME_UPPER" ? more : less;
    }
  } else if (rule == "VALID") {
    std::fill(pads.begin(), pads.end(), int64_t{0});
  } else if (rule != "NOTSET") {
    return std::nullopt;
  }
  const auto middle = pads.begin() + static_cast<ptrdiff_t>(n);
  window.before.assign(pads.begin(), middle);
  window.after.assign(middle, pads.end());
  return window;
}

/// A convolution on its way: the node, its constants and where its result goes.
struct Job {
  Node node;
  const Constant* weight;  // [O, C/group, kernel..]
  Shape x, y;              // channels first
  int64_t group;
  Window window;
  ValueId bias;
};

std::vector<int64_t> to_last(size_t rank) {
  std::vector<int64_t> perm = {0};
  for (size_t i = 2; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  perm.push_back(1);
  return perm;
}

ValueId channels_last(Graph& graph, ValueId x, const std::string& name) {
  return emit_transpose(graph, x, to_last(shape_of(graph, x).size()), name + "/channels_last");
}

/// Puts `last` (a node whose output has channels last) where the Conv's or pool's output was.
void finish(Graph& graph, const Node& node, Node last, const Shape& last_shape) {
  const Shape y = shape_of(graph, node.outputs[0]);
  const std::vector<int64_t> perm = inverse_permutation(to_last(y.size()));
  ValueId out = emit(graph, std::move(last), last_shape);
  out = emit_reshape(graph, out, permuted(y, to_last(y.size())), node.name + "/pixels");
  replace(graph, node.outputs[0],
          onnx_node("Transpose", node.name + "/channels_first", {out}, {{"perm", perm}}));
}

/// Weights as [O, kernel.., C/group].
ValueId weights_channels_last(Graph& graph, const Job& job, const Shape& shape) {
  std::vector<int64_t> perm = to_last(job.weight->shape.size());
  return add_floats(graph, job.node.name + "/weight", shape,
                    transposed(job.weight->f32, job.weight->shape, perm));
}

std::vector<ValueId> with_bias(std::vector<ValueId> inputs, ValueId bias) {
  if (bias != kNoValue) inputs.push_back(bias);
  return inputs;
}

const Attribute kNoActivation = std::string();

// Kernel 1, stride 1: a linear layer over pixels.
bool to_pixels(Graph& graph, const Job& job) {
  const Window& window = job.window;
  if (!window.all(window.kernel, 1) || !window.all(window.strides, 1) || !window.unpadded()) {
    return false;
  }
  const int64_t n = job.y[1], k = job.x[1];
  const ValueId w = add_floats(graph, job.node.name + "/weight", {n, k}, job.weight->f32);
  const ValueId x = channels_last(graph, job.node.inputs[0], job.node.name);
  Node linear = fused_node("Linear", job.node.name, with_bias({x, w}, job.bias),
                           {{"activation", kNoActivation}});
  finish(graph, job.node, std::move(linear), permuted(job.y, to_last(job.y.size())));
  return true;
}

// Two dimensions, kernel = stride, no padding: a linear layer over patches.
bool to_patches(Graph& graph, const Job& job) {
  const Window& window = job.window;
  if (job.x.size() != 4 || window.kernel != window.strides || !window.unpadded() ||
      !window.all(window.dilations, 1)) {
    return false;
  }
  const int64_t ph = window.kernel[0], pw = window.kernel[1];
  if (job.x[2] % ph != 0 || job.x[3] % pw != 0) return false;
  const int64_t k = job.x[1] * ph * pw, patches = job.y[2] * job.y[3];
  const ValueId rows = emit(graph,
                            fused_node("Patches", job.node.name + "/patches", {job.node.inputs[0]},
                                       {{"patch_h", ph}, {"patch_w", pw}}),
                            {job.x[0], patches, k});
  const ValueId w = add_floats(graph, job.node.name + "/weight", {job.y[1], k}, job.weight->f32);
  Node linear = fused_node("Linear", job.node.name, with_bias({rows, w}, job.bias),
                           {{"activation", kNoActivation}});
  finish(graph, job.node, std::move(linear), {job.x[0], patches, job.y[1]});
  return true;
}

/// x with rows of zeros before and after along `axis`.
ValueId pad_axis(Graph& graph, ValueId x, size_t axis, int64_t before, int64_t after,
                 const std::string& name) {
  if (before == 0 && after == 0) return x;
  Shape shape = shape_of(graph, x);
  std::vector<int64_t> pads(2 * shape.size(), 0);
  pads[axis] = before;
  pads[axis + shape.size()] = after;
  shape[axis] += before + after;
  return emit(graph, onnx_node("Pad", name + "/pad", {x, add_ints(graph, name + "/pads", pads)}),
              shape);
}

// One channel: a bank of filters over a signal.
bool to_signal(Graph& graph, const Job& job) {
  const Window& window = job.window;
  if (job.x.size() != 3 || job.x[1] != 1 || window.kernel[0] < kSignalTapsMin ||
      job.y[1] < kSignalTapsMin || window.dilations[0] != 1) {
    return false;
  }
  const std::string& name = job.node.name;
  ValueId x = emit_reshape(graph, job.node.inputs[0], {job.x[0], job.x[2]}, name + "/signal");
  x = pad_axis(graph, x, 1, window.before[0], window.after[0], name);
  const ValueId w =
      add_floats(graph, name + "/weight", {job.y[1], window.kernel[0]}, job.weight->f32);
  Node bank = fused_node("SignalLinear", name, with_bias({x, w}, job.bias),
                         {{"hop", window.strides[0]}, {"activation", kNoActivation}});
  finish(graph, job.node, std::move(bank), {job.x[0], job.y[2], job.y[1]});
  return true;
}

// One dimension, all channels: a linear layer over frames.
bool to_frames(Graph& graph, const Job& job) {
  const Window& window = job.window;
  if (job.x.size() != 3 || window.dilations[0] != 1 || job.y[1] < kSignalTapsMin) return false;
  const std::string& name = job.node.name;
  const int64_t k = window.kernel[0] * job.x[1];
  ValueId x = channels_last(graph, job.node.inputs[0], name);
  int64_t pad = window.before[0];
  if (pad != window.after[0]) {
    x = pad_axis(graph, x, 1, pad, window.after[0], name);
    pad = 0;
  }
  const ValueId w = weights_channels_last(graph, job, {job.y[1], k});
  Node frames = fused_node("FramesLinear", name, with_bias({x, w}, job.bias),
                           {{"window", window.kernel[0]},
                            {"hop", window.strides[0]},
                            {"pad", pad},
                            {"activation", kNoActivation}});
  finish(graph, job.node, std::move(frames), {job.x[0], job.y[2], job.y[1]});
  return true;
}

// A linear layer over windows of pixels, whose int8 rows must not grow too wide.
bool over_pixels(const Job& job) {
  int64_t values = (job.x[1] + 15) / 16 * 16;
  for (const int64_t taps : job.window.kernel) values *= taps;
  return values <= kWindowMax;
}

// A channel of its own for each output.
bool is_depthwise(const Job& job) {
  return job.group > 1 && job.group == job.x[1] && job.group == job.y[1] &&
         job.window.kernel.front() <= kDepthwiseRowsMax;
}

// `op`: "PixelsLinear", "Depthwise" or "Conv", which differ in name only.
void to_conv(Graph& graph, const Job& job, const char* op) {
  const Window& window = job.window;
  const std::string& name = job.node.name;
  Shape shape = {job.weight->shape[0]};
  shape.insert(shape.end(), window.kernel.begin(), window.kernel.end());
  shape.push_back(job.weight->shape[1]);
  const ValueId w = weights_channels_last(graph, job, shape);
  std::vector<int64_t> pads = window.before;
  pads.insert(pads.end(), window.after.begin(), window.after.end());
  const ValueId x = channels_last(graph, job.node.inputs[0], name);
  Node conv = fused_node(op, name, with_bias({x, w}, job.bias),
                         {{"strides", window.strides},
                          {"dilations", window.dilations},
                          {"pads", pads},
                          {"group", job.group},
                          {"activation", kNoActivation}});
  finish(graph, job.node, std::move(conv), permuted(job.y, to_last(job.y.size())));
}

bool fuse_convolution(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Conv")) return false;
  const auto miss = [&](const char* why) {
    report.missed(id, "Conv '" + node.name + "' stays general: " + why);
    return false;
  };
  Job job{node,
          floats_of(graph, node.inputs[1]),
          shape_of(graph, node.inputs[0]),
          shape_of(graph, node.outputs[0]),
          node.int_or("group", 1),
          {},
          input_of(node, 2)};
  if (job.weight == nullptr) return miss("its weights are not constant");
  // Adding constants moves the graph's values about: hold on to the weights.
  const ConstantPtr keep = graph.value(node.inputs[1]).constant;
  if (job.bias != kNoValue && floats_of(graph, job.bias) == nullptr) {
    return miss("its bias is not a constant");
  }
  if (job.x.size() != 3 && job.x.size() != 4) return miss("it has more than two dimensions");
  auto window = window_of(graph, node, {keep->shape.begin() + 2, keep->shape.end()});
  if (!window) return miss("its padding rule is unknown");
  job.window = std::move(*window);
  const bool dense = job.group == 1;
  const char* op = "Conv";
  if (dense && to_pixels(graph, job)) {
    op = "Linear";
  } else if (dense && to_patches(graph, job)) {
    op = "Linear";
  } else if (dense && to_signal(graph, job)) {
    op = "SignalLinear";
  } else if (dense && to_frames(graph, job)) {
    op = "FramesLinear";
  } else {
    if (dense && over_pixels(job)) op = "PixelsLinear";
    if (is_depthwise(job)) op = "Depthwise";
    to_conv(graph, job, op);
  }
  report.fused(op, node.name, {node.name});
  return true;
}

bool fuse_pool(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  const bool is_max = node.is("MaxPool");
  if (!is_max && !node.is("AveragePool")) return false;
  const auto miss = [&](const char* why) {
    report.missed(id, node.op + " '" + node.name + "' stays general: " + why);
    return false;
  };
  const Shape x_shape = shape_of(graph, node.inputs[0]), y_shape = shape_of(graph, node.outputs[0]);
  if (node.outputs.size() > 1) return miss("its indices are asked for");
  if (x_shape.size() != 3 && x_shape.size() != 4) return miss("it has more than two dimensions");
  auto window = window_of(graph, node, node.ints_or("kernel_shape", {}));
  if (!window || !window->all(window->dilations, 1)) return miss("its windows have gaps");
  for (size_t i = 0; i < window->kernel.size(); ++i) {
    const int64_t padded = x_shape[i + 2] + window->before[i] + window->after[i];
    const int64_t steps = (padded - window->kernel[i]) / window->strides[i] + 1;
    if (steps != y_shape[i + 2]) return miss("its last window reaches over the edge");
  }
  std::vector<int64_t> pads = window->before;
  pads.insert(pads.end(), window->after.begin(), window->after.end());
  const ValueId x = channels_last(graph, node.inputs[0], node.name);
  Node pool = fused_node("Pool", node.name, {x},
                         {{"kind", std::string(is_max ? "max" : "average")},
                          {"kernel", window->kernel},
                          {"strides", window->strides},
                          {"pads", pads},
                          {"count_padding", node.int_or("count_include_pad", 0)}});
  finish(graph, node, std::move(pool), permuted(y_shape, to_last(y_shape.size())));
  report.fused("Pool", node.name, {node.name});
  return true;
}

}  // namespace

bool fuse_conv(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) {
    return fuse_convolution(g, report, id) || fuse_pool(g, report, id);
  });
}

}  // namespace heed::passes
