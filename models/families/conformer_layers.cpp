#include "models/families/conformer_layers.h"

#include <cmath>

namespace heed::families {
namespace {

/// Rows for the distances T-1 .. 1-T: sines and cosines in turn.
ValueId sinusoids(Net& net, int64_t rows, int64_t width) {
  std::vector<float> values;
  for (int64_t distance = rows - 1; distance > -rows; --distance) {
    for (int64_t i = 0; i < width; ++i) {
      const double frequency =
          std::pow(10000.0, -static_cast<double>(i / 2 * 2) / static_cast<double>(width));
      const double angle = static_cast<double>(distance) * frequency;
      values.push_back(static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  }
  return net.floats("distances", {2 * rows - 1, width}, std::move(values));
}

/// What distances add to the scores, [1,heads,T,T]: row t of [.., T, 2T-1] from column T-1-t on.
ValueId shift(Net& net, ValueId by_distance) {
  const int64_t heads = net.size(by_distance, 1), rows = net.size(by_distance, 2);
  ValueId x = net.op("Pad", {by_distance, net.integers("pads", {8}, {0, 0, 0, 1, 0, 0, 0, 0})});
  x = net.slice(net.reshape(x, {1, heads, 2 * rows, rows}), 2, 1, 2 * rows);
  return net.slice(net.reshape(x, {1, heads, rows, 2 * rows - 1}), 3, 0, rows);
}

/// Outputs first .. first+count-1 of a pointwise convolution.
ValueId pointwise_layer(Net& net, ValueId x, const std::string& prefix, int64_t outputs,
                        int64_t first, int64_t count, const std::string& activation = "") {
  const int64_t width = net.size(x, -1);
  const ValueId all =
      net.reshape(net.weight(prefix + ".weight", {outputs, width, 1}), {outputs, width});
  const ValueId weight = net.slice(all, 0, first, first + count);
  ValueId bias = kNoValue;
  if (net.checkpoint().has(prefix + ".bias"))
    bias = net.slice(net.weight(prefix + ".bias", {outputs}), 0, first, first + count);
  return net.linear(x, weight, bias, prefix, activation);
}

}  // namespace

ValueId relative_attention(Net& net, ValueId x, const RelativeAttention& names,
                           const std::string& name, ValueId length) {
  const int64_t rows = net.size(x, 1), width = net.size(x, 2), heads = names.heads;
  const ValueId weight = net.weight(names.query + ".weight", {-1, width});
  const int64_t all = net.shape(weight)[0], head_width = all / heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_width));
  const ValueId u = net.weight(names.bias_u, {heads, head_width}),
                v = net.weight(names.bias_v, {heads, head_width});
  // u is in the projection's bias: what is left to add for the positions is v - u.
  ValueId bias = net.reshape(u, {all});
  if (net.checkpoint().has(names.query + ".bias"))
    bias = net.add(bias, net.weight(names.query + ".bias", {all}));
  const ValueId q = net.linear(x, weight, bias, names.query);
  const ValueId k = net.linear(x, names.key, all), v_rows = net.linear(x, names.value, all);
  const ValueId projection =
      net.transpose(net.weight(names.position + ".weight", {all, width}), {1, 0});
  const ValueId p = net.mul(net.matmul(sinusoids(net, rows, width), projection), net.scalar(scale));
  const ValueId by_head =
      net.transpose(net.reshape(p, {1, 2 * rows - 1, heads, head_width}), {0, 2, 3, 1});
  const ValueId queries = net.transpose(net.reshape(q, {1, rows, heads, head_width}), {0, 2, 1, 3});
  const ValueId moved = net.add(queries, net.reshape(net.sub(v, u), {1, heads, 1, head_width}));
  const ValueId by_distance = net.op("MatMul", {moved, by_head}, {}, names.position);
  const ValueId attended =
      net.attention(q, k, v_rows, {heads, head_width}, name, shift(net, by_distance), length);
  return net.linear(attended, names.out, width);
}

ValueId conv_module(Net& net, ValueId x, const ConvModule& names, ValueId there) {
  const int64_t width = net.size(x, 2);
  const ValueId gate =
      pointwise_layer(net, x, names.pointwise1, 2 * width, width, width, "Sigmoid");
  x = net.mul(pointwise_layer(net, x, names.pointwise1, 2 * width, 0, width), gate);
  if (there != kNoValue) x = net.mul(x, there);
  ConvPlan plan;
  plan.group = width;
  plan.pads = {(names.kernel - 1) / 2, (names.kernel - 1) / 2};
  plan.bias = net.checkpoint().has(names.depthwise + ".bias");
  x = net.conv(net.transpose(x, {0, 2, 1}), names.depthwise, width, {names.kernel}, plan);
  x = net.batch_norm(x, names.norm, 1e-5);
  x = net.transpose(net.activation(x, names.activation), {0, 2, 1});
  return pointwise_layer(net, x, names.pointwise2, width, 0, width);
}

}  // namespace heed::families
