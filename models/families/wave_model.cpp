#include "models/families/wave_model.h"

#include <algorithm>
#include <array>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"

namespace heed::families {
namespace {

constexpr int64_t kPieceFrames = 4096;  // of the first convolution

/// The frames that the first `layers` convolutions make of so many samples, the samples between
/// them and those that each hears.
struct FrameGrid {
  int64_t hop = 1, window = 1;
  FrameGrid(const WaveSizes& s, size_t layers) {
    for (size_t i = layers; i-- > 0;) {
      window = (window - 1) * s.strides[i] + s.kernels[i];
      hop *= s.strides[i];
    }
  }
  int64_t frames(int64_t samples) const { return (samples - window) / hop + 1; }
  /// The part of a sound, [1,1,samples], that frames begin .. end hear.
  ValueId heard(Net& net, ValueId sound, int64_t begin, int64_t end) const {
    if (begin == 0 && end == frames(net.size(sound, 2))) return sound;
    return net.slice(sound, 2, begin * hop, (end - 1) * hop + window);
  }
};

/// One convolution of the sound or of what the one before made, [1,C,T], as frames [1,T,C].
ValueId convolve(Net& net, ValueId x, const std::string& layer, const WaveSizes& s, size_t i) {
  ConvPlan plan;
  plan.strides = {s.strides[i]};
  plan.bias = s.conv_bias;
  x = net.conv(x, layer + "conv", s.channels[i], {s.kernels[i]}, plan);
  return net.transpose(x, {0, 2, 1});
}

std::string conv_layer(const std::string& prefix, size_t i) {
  return prefix + "feature_extractor.conv_layers." + std::to_string(i) + ".";
}

/// What brings every channel of the first convolution to mean 0 and variance 1 over the whole
/// sound, and then to what training chose: x * scale + shift.
struct OverTime {
  ValueId scale, shift;
};
OverTime norm_over_time(Net& net, ValueId sound, const std::string& prefix, const WaveSizes& s) {
  const FrameGrid grid(s, 1);
  const std::string layer = conv_layer(prefix, 0);
  const int64_t frames = grid.frames(net.size(sound, 2));
  ValueId sum = kNoValue, squares = kNoValue;
  for (int64_t begin = 0; begin < frames; begin += kPieceFrames) {
    const int64_t end = std::min(begin + kPieceFrames, frames);
    const ValueId x = convolve(net, grid.heard(net, sound, begin, end), layer, s, 0);
    const ValueId more = net.sum(x, {1}, true), more_squares = net.sum(net.mul(x, x), {1}, true);
    sum = begin == 0 ? more : net.add(sum, more);
    squares = begin == 0 ? more_squares : net.add(squares, more_squares);
  }
  const ValueId share = net.scalar(1.0f / static_cast<float>(frames));
  const ValueId mean = net.mul(sum, share);
  const ValueId variance = net.sub(net.mul(squares, share), net.mul(mean, mean));
  const std::string norm = layer + "layer_norm";
  const ValueId scale = net.div(net.weight(norm + ".weight", {s.channels[0]}),
                                net.op("Sqrt", {net.add(variance, net.scalar(1e-5f))}));
  const ValueId bias = net.weight(norm + ".bias", {s.channels[0]});
  return {scale, net.sub(bias, net.mul(mean, scale))};
}

/// The sound [1,1,samples] to features [1,T,C].
ValueId extract_features(Net& net, ValueId sound, const std::string& prefix, const WaveSizes& s) {
  const size_t layers = s.channels.size(), early = layers > 2 ? layers - 2 : 1;
  const FrameGrid grid(s, early);
  if (net.size(sound, 2) < FrameGrid(s, layers).window)
    net.checkpoint().settings("config.json").refuse("conv_kernel", "is longer than the sound");
  OverTime over_time{};
  if (!s.norm_frames) over_time = norm_over_time(net, sound, prefix, s);
  const auto layer = [&](ValueId x, size_t i) {  // frames to frames, or the sound to frames
    const std::string name = conv_layer(prefix, i);
    x = convolve(net, i == 0 ? x : net.transpose(x, {0, 2, 1}), name, s, i);
    if (s.norm_frames)
      x = net.layer_norm(x, name + "layer_norm", 1e-5);
    else if (i == 0)
      x = net.add(net.mul(x, over_time.scale), over_time.shift);
    return net.activation(x, s.conv_activation);
  };
  const int64_t frames = grid.frames(net.size(sound, 2));
  const int64_t pieces =
      (FrameGrid(s, 1).frames(net.size(sound, 2)) + kPieceFrames - 1) / kPieceFrames;
  const int64_t step = (frames + pieces - 1) / pieces;
  std::vector<ValueId> parts;
  for (int64_t begin = 0; begin < frames; begin += step) {
    ValueId x = grid.heard(net, sound, begin, std::min(begin + step, frames));
    for (size_t i = 0; i < early; ++i) x = layer(x, i);
    parts.push_back(x);
  }
  ValueId x = parts.size() == 1 ? parts[0] : net.concat(parts, 1);
  for (size_t i = early; i < layers; ++i) x = layer(x, i);
  return x;
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
  const FrameGrid grid(s, s.channels.size());
  audio->window_samples = static_cast<uint32_t>(grid.window);
  audio->hop_samples = static_cast<uint32_t>(grid.hop);
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
  s.norm_features = config.flag_or("feat_proj_layer_norm", true);
  for (const char* unknown : {"add_adapter", "conv_pos_batch_norm"})
    if (config.flag_or(unknown, false)) config.refuse(unknown, "is not supported");
  return s;
}

ValueId frames_there(Net& net, ValueId frames, int64_t count) {
  std::vector<float> places(static_cast<size_t>(count));
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<float>(i);
  const ValueId ahead = net.sub(net.to_floats(frames), net.floats("places", {1, count, 1}, places));
  return net.op("Min", {net.activation(ahead, "Relu"), net.scalar(1.0f)});
}

ValueId project_features(Net& net, const Listened& sound, const std::string& prefix,
                         const WaveSizes& s) {
  ValueId x = net.reshape(sound.samples, {1, 1, net.size(sound.samples, 1)});
  x = extract_features(net, x, prefix, s);
  if (s.norm_features) x = net.layer_norm(x, prefix + "feature_projection.layer_norm", s.epsilon);
  x = net.linear(x, prefix + "feature_projection.projection", s.width);
  if (sound.frames == kNoValue) return x;
  return net.mul(x, frames_there(net, sound.frames, net.size(x, 1)));
}

void add_wave_listeners(Recipe& recipe, const WaveSizes& s,
                        const std::function<ValueId(Net& net, const Listened&)>& listen) {
  const Settings sound = recipe.checkpoint.settings("preprocessor_config.json");
  const int64_t rate = sound.size_or("sampling_rate", 16000);
  const int64_t seconds = recipe.dim("seconds", 10, 60);
  const int64_t longest = recipe.dim("samples", seconds * rate, 60 * rate);
  const bool masked = sound.flag_or("return_attention_mask", false);
  const auto add = [&](const std::string& entry, int64_t samples) {
    Net& net = recipe.entry(entry, kListenerArena);
    Listened heard;
    heard.samples = net.input("input_values", {1, samples});
    if (masked) heard.frames = net.input("frames", {1}, DType::i64);
    net.output("logits", listen(net, heard));
  };
  const auto named = [](int64_t length) { return "listen_" + std::to_string(length) + "s"; };
  if (longest != seconds * rate) {
    add(kOnlyEntry, longest);
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
