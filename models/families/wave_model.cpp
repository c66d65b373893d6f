#include "models/families/wave_model.h"

#include <array>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"

namespace heed::families {
namespace {

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

std::unique_ptr<fb::AudioFrontendT> wave_frontend(const Settings& sound, const WaveSizes& s,
                                                  int64_t rate, int64_t samples) {
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
  return audio;
}

}  // namespace

WaveSizes read_wave_sizes(const Settings& config) {
  WaveSizes s;
  s.width = config.size("hidden_size");
  s.layers = config.size("num_hidden_layers");
  s.heads = config.size("num_attention_heads");
  s.inner = config.size("intermediate_size");
  s.vocabulary = config.size("vocab_size");
  s.channels = config.whole_numbers("conv_dim");
  s.kernels = config.whole_numbers("conv_kernel");
  s.strides = config.whole_numbers("conv_stride");
  s.conv_bias = config.flag_or("conv_bias", false);
  const std::string norm = config.text_or("feat_extract_norm", "group");
  s.norm_frames = norm == "layer";
  s.epsilon = config.number_or("layer_norm_eps", 1e-5);
  s.conv_activation = activation_named(config.text_or("feat_extract_activation", "gelu"));
  s.activation = activation_named(config.text_or("hidden_act", "gelu"));
  if (s.width % s.heads != 0) config.refuse("num_attention_heads", "does not divide hidden_size");
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

ValueId project_features(Net& net, ValueId samples, const std::string& prefix, const WaveSizes& s) {
  ValueId x = net.reshape(samples, {1, 1, net.size(samples, 1)});
  x = extract_features(net, x, prefix, s);
  x = net.layer_norm(x, prefix + "feature_projection.layer_norm", s.epsilon);
  return net.linear(x, prefix + "feature_projection.projection", s.width);
}

void add_wave_listeners(Recipe& recipe, const WaveSizes& s,
                        const std::function<ValueId(Net& net, ValueId samples)>& listen) {
  const Settings sound = recipe.checkpoint.settings("preprocessor_config.json");
  const int64_t rate = sound.size_or("sampling_rate", 16000);
  const int64_t seconds = recipe.dim("seconds", 10, 60);
  const int64_t longest = recipe.dim("samples", seconds * rate, 60 * rate);
  const auto add = [&](const std::string& entry, int64_t samples) {
    Net& net = recipe.entry(entry, kListenerArena);
    net.output("logits", listen(net, net.input("input_values", {1, samples})));
  };
  const auto named = [](int64_t length) { return "listen_" + std::to_string(length) + "s"; };
  if (longest != seconds * rate) {
    add("main", longest);
  } else {
    for (const int64_t shorter : std::array<int64_t, 2>{5, 10})
      if (shorter < seconds) add(named(shorter), shorter * rate);
    add(named(seconds), longest);
  }
  recipe.task = std::make_shared<fb::TaskT>();
  recipe.task->kind = "speech_recognition";
  recipe.task->labels = read_characters(recipe, s);
  recipe.task->audio = wave_frontend(sound, s, rate, longest);
}

}  // namespace heed::families
