// wav2vec 2.0 Conformer with a CTC head: a waveform to scores of characters, 50 times a second.
//
//   x = projection(norm(features)) (wave_model.h); blocks:
//     x += feed(norm(x)) / 2; x += attention(norm(x)); x += convolution(norm(x))
//     x = norm(x + feed(norm(x)) / 2)
//   positions: "relative" (conformer_layers.h); "rotary": what queries and keys are projected from
//   is turned; null: none. logits = head(norm(x))

#include <cmath>

#include "models/families/conformer_layers.h"
#include "models/families/family.h"
#include "models/families/wave_model.h"

namespace heed::families {
namespace {

constexpr double kConformerEpsilon = 1e-5;

struct Positions {
  bool relative = false, rotary = false;
  std::vector<double> frequencies;  // rotary
};

/// A row of cosines, then sines, for each position.
ValueId rotary_angles(Net& net, int64_t rows, const std::vector<double>& frequencies) {
  std::vector<float> values;
  for (int64_t t = 0; t < rows; ++t) {
    const auto angle = [t](double frequency) { return static_cast<double>(t) * frequency; };
    for (const double f : frequencies) values.push_back(static_cast<float>(std::cos(angle(f))));
    for (const double f : frequencies) values.push_back(static_cast<float>(std::sin(angle(f))));
  }
  return net.floats("angles", {rows, 2 * static_cast<int64_t>(frequencies.size())},
                    std::move(values));
}

ValueId turned_attention(Net& net, ValueId x, const std::string& self, const WaveSizes& s,
                         const Positions& positions, ValueId frames) {
  if (positions.relative)
    return relative_attention(
        net, x,
        {self + "linear_q", self + "linear_k", self + "linear_v", self + "linear_out",
         self + "linear_pos", self + "pos_bias_u", self + "pos_bias_v", s.heads},
        self + "attention", frames);
  const int64_t head_width = s.width / s.heads;
  ValueId turned = x;
  if (positions.rotary)
    turned = net.rope(x, rotary_angles(net, net.size(x, 1), positions.frequencies), kNoValue,
                      {s.heads, head_width}, self + "turned");
  const ValueId attended = net.attention(
      net.linear(turned, self + "linear_q", s.width),
      net.linear(turned, self + "linear_k", s.width), net.linear(x, self + "linear_v", s.width),
      {s.heads, head_width}, self + "attention", kNoValue, frames);
  return net.linear(attended, self + "linear_out", s.width);
}

ValueId conformer_block(Net& net, ValueId x, const std::string& block, const WaveSizes& s,
                        const Positions& positions, int64_t kernel, ValueId frames) {
  const auto half_feed = [&](ValueId in, const std::string& feed) {
    const ValueId n = net.layer_norm(in, block + feed + "_layer_norm", kConformerEpsilon);
    const ValueId wide = net.linear(n, block + feed + ".intermediate_dense", s.inner, s.activation);
    const ValueId out = net.linear(wide, block + feed + ".output_dense", s.width);
    return net.add(net.mul(out, net.scalar(0.5f)), in);
  };
  x = half_feed(x, "ffn1");
  const ValueId n = net.layer_norm(x, block + "self_attn_layer_norm", kConformerEpsilon);
  x = net.add(turned_attention(net, n, block + "self_attn.", s, positions, frames), x);
  const std::string conv = block + "conv_module.";
  const ValueId there = frames == kNoValue ? kNoValue : frames_there(net, frames, net.size(x, 1));
  x = net.add(conv_module(net, net.layer_norm(x, conv + "layer_norm", kConformerEpsilon),
                          {conv + "pointwise_conv1", conv + "depthwise_conv", conv + "batch_norm",
                           conv + "pointwise_conv2", s.activation, kernel},
                          there),
              x);
  x = half_feed(x, "ffn2");
  return net.layer_norm(x, block + "final_layer_norm", kConformerEpsilon);
}

Positions read_positions(Recipe& recipe, const WaveSizes& s, const std::string& prefix) {
  Positions positions;
  const std::string kind = recipe.config.text_or("position_embeddings_type", "");
  positions.relative = kind == "relative";
  positions.rotary = kind == "rotary";
  if (!positions.relative && !positions.rotary && !kind.empty())
    recipe.config.refuse("position_embeddings_type", "is neither \"relative\" nor \"rotary\"");
  if (!positions.rotary) return positions;
  const int64_t head_width = s.width / s.heads;
  if (head_width % 2 != 0) recipe.config.refuse("num_attention_heads", "makes heads of odd width");
  const double base = recipe.config.number_or("rotary_embedding_base", 10000);
  const std::string stored = prefix + "encoder.embed_positions.inv_freq";
  const auto shape = recipe.checkpoint.shape(stored);
  const bool known = shape && *shape == graph::Shape{head_width / 2};
  const graph::ConstantPtr table = known ? recipe.checkpoint.tensor(stored) : nullptr;
  for (int64_t i = 0; i < head_width / 2; ++i)
    positions.frequencies.push_back(
        known ? static_cast<double>(table->f32[static_cast<size_t>(i)])
              : std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_width)));
  return positions;
}

}  // namespace

void build_wav2vec2_conformer(Recipe& recipe) {
  const WaveSizes s = read_wave_sizes(recipe.config);
  const int64_t kernel = recipe.config.size_or("conv_depthwise_kernel_size", 31);
  if (kernel % 2 == 0) recipe.config.refuse("conv_depthwise_kernel_size", "must be odd");
  const std::string prefix = recipe.checkpoint.prefix_of("feature_projection.projection.weight",
                                                         {"wav2vec2_conformer.", ""});
  const Positions positions = read_positions(recipe, s, prefix);
  add_wave_listeners(recipe, s, [&](Net& net, const Listened& sound) {
    ValueId x = project_features(net, sound, prefix, s);
    for (int64_t i = 0; i < s.layers; ++i)
      x = conformer_block(net, x, prefix + "encoder.layers." + std::to_string(i) + ".", s,
                          positions, kernel, sound.frames);
    x = net.layer_norm(x, prefix + "encoder.layer_norm", s.epsilon);
    return net.linear(x, "lm_head", s.vocabulary);
  });
}

}  // namespace heed::families
