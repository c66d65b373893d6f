// wav2vec 2.0 and HuBERT with a CTC head: a waveform to scores of characters, 50 times a second.
//
//   x = projection(norm(features)) (wave_model.h); x += gelu(conv(x)), a convolution in groups over
//   2.5 s that tells positions; then a transformer, with norms after its sums or, "stable", before
//   its layers; logits = head(x)

#include <cmath>

#include "models/families/family.h"
#include "models/families/wave_model.h"

namespace heed::families {
namespace {

struct PositionSizes {
  int64_t kernel = 0, groups = 0;
  bool stable = false;
};

/// weight[:, :, k] = g[k] v[:, :, k] / |v[:, :, k]|, as training left it; or the weight itself.
std::vector<float> position_weight(Net& net, const std::string& conv, const Shape& dims) {
  std::string length = conv + ".weight_g", direction = conv + ".weight_v";
  if (net.checkpoint().has(conv + ".parametrizations.weight.original0")) {
    length = conv + ".parametrizations.weight.original0";
    direction = conv + ".parametrizations.weight.original1";
  } else if (net.checkpoint().has(conv + ".weight")) {
    net.weight(conv + ".weight", dims);
    return net.checkpoint().tensor(conv + ".weight")->f32;
  }
  const auto taps = static_cast<size_t>(dims[2]);
  net.weight(length, {1, 1, dims[2]});
  net.weight(direction, dims);
  const graph::ConstantPtr g = net.checkpoint().tensor(length),
                           v = net.checkpoint().tensor(direction);
  std::vector<double> squares(taps, 0.0);
  for (size_t i = 0; i < v->f32.size(); ++i)
    squares[i % taps] += static_cast<double>(v->f32[i]) * static_cast<double>(v->f32[i]);
  std::vector<float> values(v->f32.size());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] =
        static_cast<float>(static_cast<double>(v->f32[i]) * static_cast<double>(g->f32[i % taps]) /
                           std::sqrt(squares[i % taps]));
  return values;
}

/// x + gelu(conv(x)) over neighbours: as many frames come out as go in. A convolution for each
/// group: over windows of its channels it is a linear layer.
ValueId add_positions(Net& net, ValueId x, const std::string& prefix, const WaveSizes& s,
                      const PositionSizes& p) {
  const std::string conv = prefix + "encoder.pos_conv_embed.conv";
  const int64_t kernel = p.kernel, width = s.width / p.groups;
  const std::vector<float> weight = position_weight(net, conv, {s.width, width, kernel});
  net.weight(conv + ".bias", {s.width});
  const std::vector<float>& bias = net.checkpoint().tensor(conv + ".bias")->f32;
  std::vector<ValueId> near;
  for (int64_t g = 0; g < p.groups; ++g) {
    const std::string name = conv + ".group" + std::to_string(g);
    const auto part = [&](const std::vector<float>& values, int64_t of_each) {
      const auto begin = values.begin() + g * width * of_each;
      return std::vector<float>(begin, begin + width * of_each);
    };
    // The published padding is kernel / 2 on both sides; of an even kernel's frames the last is
    // cut.
    near.push_back(net.op(
        "Conv",
        {net.transpose(net.slice(x, 2, g * width, (g + 1) * width), {0, 2, 1}),
         net.floats(name + ".weight", {width, width, kernel}, part(weight, width * kernel)),
         net.floats(name + ".bias", {width}, part(bias, 1))},
        {{"kernel_shape", std::vector<int64_t>{kernel}},
         {"strides", std::vector<int64_t>{1}},
         {"dilations", std::vector<int64_t>{1}},
         {"pads", std::vector<int64_t>{kernel / 2, kernel % 2 == 0 ? kernel / 2 - 1 : kernel / 2}},
         {"group", int64_t{1}}},
        name));
    near.back() = net.activation(net.transpose(near.back(), {0, 2, 1}), s.conv_activation);
  }
  return net.add(x, near.size() == 1 ? near[0] : net.concat(near, 2));
}

ValueId wave_layer(Net& net, ValueId x, ValueId frames, const std::string& layer,
                   const WaveSizes& s, bool stable) {
  const std::string self = layer + "attention.", feed = layer + "feed_forward.";
  const auto attend = [&](ValueId in) {
    const ValueId heads = net.attention(
        net.linear(in, self + "q_proj", s.width), net.linear(in, self + "k_proj", s.width),
        net.linear(in, self + "v_proj", s.width), {s.heads, s.width / s.heads}, layer + "attention",
        kNoValue, frames);
    return net.linear(heads, self + "out_proj", s.width);
  };
  const auto think = [&](ValueId in) {
    return net.linear(net.linear(in, feed + "intermediate_dense", s.inner, s.activation),
                      feed + "output_dense", s.width);
  };
  if (stable) {
    x = net.add(attend(net.layer_norm(x, layer + "layer_norm", s.epsilon)), x);
    return net.add(think(net.layer_norm(x, layer + "final_layer_norm", s.epsilon)), x);
  }
  x = net.layer_norm(net.add(attend(x), x), layer + "layer_norm", s.epsilon);
  return net.layer_norm(net.add(think(x), x), layer + "final_layer_norm", s.epsilon);
}

}  // namespace

void build_wav2vec2(Recipe& recipe) {
  const WaveSizes s = read_wave_sizes(recipe.config);
  PositionSizes p;
  p.kernel = recipe.config.size_or("num_conv_pos_embeddings", 128);
  p.groups = recipe.config.size_or("num_conv_pos_embedding_groups", 16);
  p.stable = recipe.config.flag_or("do_stable_layer_norm", false);
  if (s.width % p.groups != 0)
    recipe.config.refuse("num_conv_pos_embedding_groups", "does not divide hidden_size");
  const std::string prefix = recipe.checkpoint.prefix_of("feature_projection.projection.weight",
                                                         {"wav2vec2.", "hubert.", ""});
  add_wave_listeners(recipe, s, [&](Net& net, const Listened& sound) {
    ValueId x = project_features(net, sound, prefix, s);
    x = add_positions(net, x, prefix, s, p);
    if (!p.stable) x = net.layer_norm(x, prefix + "encoder.layer_norm", s.epsilon);
    for (int64_t i = 0; i < s.layers; ++i)
      x = wave_layer(net, x, sound.frames, prefix + "encoder.layers." + std::to_string(i) + ".", s,
                     p.stable);
    if (p.stable) x = net.layer_norm(x, prefix + "encoder.layer_norm", s.epsilon);
    return net.linear(x, "lm_head", s.vocabulary);
  });
}

}  // namespace heed::families
