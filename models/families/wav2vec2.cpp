// wav2vec 2.0 with a CTC head: a waveform to scores of characters, 50 times a second.
//
//   features: per layer x = gelu(norm(conv(x))); norm: of the first layer's channels over time
//             ("group"), or of every layer's frames ("layer")
//   x = projection(norm(features)); x += gelu(conv(x)), a convolution in groups over 2.5 s that
//   tells positions; then a transformer, with norms after its sums or, "stable", before its layers
//   logits = head(x)
//
// Entry points listen_5s and listen_10s, one for each length of sound over the same weights, or
// "main" for as many samples as --dim samples says.

#include <array>
#include <cmath>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"
#include "models/families/family.h"

namespace heed::families {
namespace {

constexpr uint32_t kListenerArena = 1;  // they run in turn

struct WaveSizes {
  int64_t width = 0, layers = 0, heads = 0, inner = 0, vocabulary = 0;
  int64_t position_kernel = 0, position_groups = 0;
  std::vector<int64_t> channels, kernels, strides;
  bool conv_bias = false, norm_frames = false, stable = false;
  double epsilon = 0;
  std::string conv_activation, activation;
};

WaveSizes read_wave_sizes(const Settings& config) {
  WaveSizes s;
  s.width = config.size("hidden_size");
  s.layers = config.size("num_hidden_layers");
  s.heads = config.size("num_attention_heads");
  s.inner = config.size("intermediate_size");
  s.vocabulary = config.size("vocab_size");
  s.position_kernel = config.size_or("num_conv_pos_embeddings", 128);
  s.position_groups = config.size_or("num_conv_pos_embedding_groups", 16);
  s.channels = config.whole_numbers("conv_dim");
  s.kernels = config.whole_numbers("conv_kernel");
  s.strides = config.whole_numbers("conv_stride");
  s.conv_bias = config.flag_or("conv_bias", false);
  const std::string norm = config.text_or("feat_extract_norm", "group");
  s.norm_frames = norm == "layer";
  s.stable = config.flag_or("do_stable_layer_norm", false);
  s.epsilon = config.number_or("layer_norm_eps", 1e-5);
  s.conv_activation = activation_named(config.text_or("feat_extract_activation", "gelu"));
  s.activation = activation_named(config.text_or("hidden_act", "gelu"));
  if (s.width % s.heads != 0) config.refuse("num_attention_heads", "does not divide hidden_size");
  if (s.width % s.position_groups != 0)
    config.refuse("num_conv_pos_embedding_groups", "does not divide hidden_size");
  if (s.channels.empty() || s.kernels.size() != s.channels.size() ||
      s.strides.size() != s.channels.size())
    config.refuse("conv_dim", "must be as long as conv_kernel and conv_stride");
  for (size_t i = 0; i < s.channels.size(); ++i)
    if (s.channels[i] < 1 || s.kernels[i] < 1 || s.strides[i] < 1)
      config.refuse("conv_kernel", "and its neighbours must be above zero");
  if (norm != "layer" && norm != "group")
    config.refuse("feat_extract_norm", "is neither \"group\" nor \"layer\"");
  if (config.flag_or("add_adapter", false)) config.refuse("add_adapter", "is not supported");
  return s;
}

ValueId extract_features(Net& net, ValueId x, const std::string& prefix, const WaveSizes& s) {
  for (size_t i = 0; i < s.channels.size(); ++i) {
    const std::string layer = prefix + "feature_extractor.conv_layers." + std::to_string(i) + ".";
    ConvPlan plan;
    plan.strides = {s.strides[i]};
    plan.bias = s.conv_bias;
    if (net.size(x, 2) < s.kernels[i])
      net.checkpoint().settings("config.json").refuse("conv_kernel", "is longer than the sound");
    x = net.conv(x, layer + "conv", s.channels[i], {s.kernels[i]}, plan);
    const std::string norm = layer + "layer_norm";
    if (s.norm_frames) {
      x = net.layer_norm(net.transpose(x, {0, 2, 1}), norm, 1e-5);
      x = net.transpose(x, {0, 2, 1});
    } else if (i == 0) {
      x = net.op("InstanceNormalization",
                 {x, net.weight(norm + ".weight", {s.channels[i]}),
                  net.weight(norm + ".bias", {s.channels[i]})},
                 {{"epsilon", 1e-5f}}, norm);
    }
    x = net.activation(x, s.conv_activation);
  }
  return net.transpose(x, {0, 2, 1});
}

/// weight[:, :, k] = g[k] v[:, :, k] / |v[:, :, k]|, as training left it; or the weight itself.
ValueId position_weight(Net& net, const std::string& conv, const Shape& dims) {
  std::string length = conv + ".weight_g", direction = conv + ".weight_v";
  if (net.checkpoint().has(conv + ".parametrizations.weight.original0")) {
    length = conv + ".parametrizations.weight.original0";
    direction = conv + ".parametrizations.weight.original1";
  } else if (net.checkpoint().has(conv + ".weight")) {
    return net.weight(conv + ".weight", dims);
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
  return net.floats(conv + ".weight:normed", dims, std::move(values));
}

/// x + gelu(conv(x)) over neighbours: as many frames come out as go in.
ValueId add_positions(Net& net, ValueId x, const std::string& prefix, const WaveSizes& s) {
  const std::string conv = prefix + "encoder.pos_conv_embed.conv";
  const int64_t kernel = s.position_kernel;
  const ValueId weight = position_weight(net, conv, {s.width, s.width / s.position_groups, kernel});
  // The published padding is kernel / 2 on both sides; of an even kernel's frames the last is cut.
  const ValueId near = net.op(
      "Conv", {net.transpose(x, {0, 2, 1}), weight, net.weight(conv + ".bias", {s.width})},
      {{"kernel_shape", std::vector<int64_t>{kernel}},
       {"strides", std::vector<int64_t>{1}},
       {"dilations", std::vector<int64_t>{1}},
       {"pads", std::vector<int64_t>{kernel / 2, kernel % 2 == 0 ? kernel / 2 - 1 : kernel / 2}},
       {"group", s.position_groups}},
      conv);
  return net.add(x, net.transpose(net.activation(near, s.conv_activation), {0, 2, 1}));
}

ValueId wave_layer(Net& net, ValueId x, const std::string& layer, const WaveSizes& s) {
  const std::string self = layer + "attention.", feed = layer + "feed_forward.";
  const auto attend = [&](ValueId in) {
    const ValueId heads = net.attention(net.linear(in, self + "q_proj", s.width),
                                        net.linear(in, self + "k_proj", s.width),
                                        net.linear(in, self + "v_proj", s.width),
                                        {s.heads, s.width / s.heads}, layer + "attention");
    return net.linear(heads, self + "out_proj", s.width);
  };
  const auto think = [&](ValueId in) {
    return net.linear(net.linear(in, feed + "intermediate_dense", s.inner, s.activation),
                      feed + "output_dense", s.width);
  };
  if (s.stable) {
    x = net.add(attend(net.layer_norm(x, layer + "layer_norm", s.epsilon)), x);
    return net.add(think(net.layer_norm(x, layer + "final_layer_norm", s.epsilon)), x);
  }
  x = net.layer_norm(net.add(attend(x), x), layer + "layer_norm", s.epsilon);
  return net.layer_norm(net.add(think(x), x), layer + "final_layer_norm", s.epsilon);
}

void add_listener(Recipe& recipe, const std::string& entry, int64_t samples,
                  const std::string& prefix, const WaveSizes& s) {
  Net& net = recipe.entry(entry, kListenerArena);
  ValueId x = net.reshape(net.input("input_values", {1, samples}), {1, 1, samples});
  x = extract_features(net, x, prefix, s);
  x = net.layer_norm(x, prefix + "feature_projection.layer_norm", s.epsilon);
  x = net.linear(x, prefix + "feature_projection.projection", s.width);
  x = add_positions(net, x, prefix, s);
  if (!s.stable) x = net.layer_norm(x, prefix + "encoder.layer_norm", s.epsilon);
  for (int64_t i = 0; i < s.layers; ++i)
    x = wave_layer(net, x, prefix + "encoder.layers." + std::to_string(i) + ".", s);
  if (s.stable) x = net.layer_norm(x, prefix + "encoder.layer_norm", s.epsilon);
  net.output("logits", net.linear(x, "lm_head", s.vocabulary));
}

/// What each number adds to a text: "" is the blank, which is the tokenizer's padding, a space
/// parts words, special tokens keep their names, "<unk>".
std::vector<std::string> read_characters(Recipe& recipe, const WaveSizes& s) {
  std::vector<std::string> labels(static_cast<size_t>(s.vocabulary), "<unused>");
  const Settings vocabulary = recipe.checkpoint.settings("vocab.json");
  if (vocabulary.whole() == nullptr || vocabulary.whole()->object() == nullptr)
    throw ConvertError("holds no vocab.json, which says what its numbers spell", "checkpoint");
  const Settings tokenizer = recipe.checkpoint.settings("tokenizer_config.json");
  const std::string space = tokenizer.text_or("word_delimiter_token", "|");
  for (const auto& [text, id] : *vocabulary.whole()->object()) {
    const int64_t* number = id.integer();
    if (number == nullptr || *number < 0 || *number >= s.vocabulary)
      vocabulary.refuse(text, "is not a number of the model's vocabulary");
    labels[static_cast<size_t>(*number)] = text == space ? " " : text;
  }
  const int64_t blank = recipe.config.whole_or("pad_token_id", 0);
  if (blank < 0 || blank >= s.vocabulary)
    recipe.config.refuse("pad_token_id", "is not in the vocabulary");
  labels[static_cast<size_t>(blank)] = "";
  return labels;
}

}  // namespace

void build_wav2vec2(Recipe& recipe) {
  const WaveSizes s = read_wave_sizes(recipe.config);
  const std::string prefix =
      recipe.checkpoint.prefix_of("feature_projection.projection.weight", {"wav2vec2.", ""});
  const Settings sound = recipe.checkpoint.settings("preprocessor_config.json");
  const int64_t rate = sound.size_or("sampling_rate", 16000);
  const int64_t seconds = recipe.dim("seconds", 10, 60);
  const int64_t samples = recipe.dim("samples", seconds * rate, 60 * rate);
  const auto named = [](int64_t length) { return "listen_" + std::to_string(length) + "s"; };
  if (samples != seconds * rate) {
    add_listener(recipe, "main", samples, prefix, s);
  } else {
    for (const int64_t shorter : std::array<int64_t, 2>{5, 10})
      if (shorter < seconds) add_listener(recipe, named(shorter), shorter * rate, prefix, s);
    add_listener(recipe, named(seconds), samples, prefix, s);
  }
  recipe.task = std::make_shared<fb::TaskT>();
  recipe.task->kind = "speech_recognition";
  recipe.task->labels = read_characters(recipe, s);
  auto audio = std::make_unique<fb::AudioFrontendT>();
  audio->kind = "pcm";
  audio->sample_rate_hz = static_cast<uint32_t>(rate);
  audio->clip_samples = static_cast<uint32_t>(samples);
  audio->window_samples = audio->hop_samples = 1;
  for (size_t i = s.strides.size(); i-- > 0;) {
    audio->window_samples =
        static_cast<uint32_t>((audio->window_samples - 1) * s.strides[i] + s.kernels[i]);
    audio->hop_samples *= static_cast<uint32_t>(s.strides[i]);
  }
  if (sound.flag_or("do_normalize", true)) audio->normalize = "unit";
  recipe.task->audio = std::move(audio);
}

}  // namespace heed::families
