// Parakeet (NVIDIA's FastConformer) with a CTC head: log-mel frames to scores of word pieces, one
// row for each `factor` frames (80 ms).
//
//   x = relu(conv(mel)), convolutions of stride 2 over frames and bins; then depthwise and
//   pointwise ones; x = W rows, times sqrt(width) where the config says so; blocks:
//     x += feed(norm(x)) / 2; x += attention(norm(x)) with relative positions
//     x += convolution(norm(x)); x = norm(x + feed(norm(x)) / 2)
//   logits = head(x)
//
// Entry points listen_5s and listen_10s over the same weights (--dim seconds=N: N the longest), or
// "main" for --dim frames=N. Input `attention_mask` is ones for the frames that are there, then
// zeros: these are hidden from all that looks at neighbours.

#include <array>
#include <cmath>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"
#include "models/families/conformer_layers.h"
#include "models/families/family.h"
#include "models/families/tokenizer_json.h"

namespace heed::families {
namespace {

constexpr uint32_t kParakeetArena = 1;  // entry points run in turn
constexpr double kParakeetEpsilon = 1e-5;

struct ParakeetSizes {
  int64_t width = 0, layers = 0, heads = 0, inner = 0, vocabulary = 0, bins = 0;
  int64_t factor = 1, stages = 0, stride = 2, kernel = 3, channels = 0, conv_kernel = 9;
  float scale = 1;
  std::string activation;
};

ParakeetSizes read_parakeet_sizes(const Settings& config) {
  const Settings encoder = config.within("encoder_config");
  ParakeetSizes s;
  s.vocabulary = config.size("vocab_size");
  s.width = encoder.size("hidden_size");
  s.layers = encoder.size("num_hidden_layers");
  s.heads = encoder.size("num_attention_heads");
  s.inner = encoder.size("intermediate_size");
  s.bins = encoder.size("num_mel_bins");
  s.factor = encoder.size_or("subsampling_factor", 8);
  s.stride = encoder.size_or("subsampling_conv_stride", 2);
  s.kernel = encoder.size_or("subsampling_conv_kernel_size", 3);
  s.channels = encoder.size("subsampling_conv_channels");
  s.conv_kernel = encoder.size_or("conv_kernel_size", 9);
  s.activation = activation_named(encoder.text_or("hidden_act", "silu"));
  if (encoder.flag_or("scale_input", true)) s.scale = std::sqrt(static_cast<float>(s.width));
  if (s.width % s.heads != 0) encoder.refuse("num_attention_heads", "does not divide hidden_size");
  if (encoder.size_or("num_key_value_heads", s.heads) != s.heads)
    encoder.refuse("num_key_value_heads", "must be num_attention_heads");
  for (int64_t f = s.factor; f > 1; f /= 2) ++s.stages;
  if (s.stride != 2 || s.factor != int64_t{1} << s.stages || s.stages < 1 || s.stages > 6)
    encoder.refuse("subsampling_factor", "must be a power of the stride, which must be 2");
  if (s.kernel % 2 == 0 || s.conv_kernel % 2 == 0)
    encoder.refuse("conv_kernel_size", "and its neighbour must be odd");
  return s;
}

/// Ones where frames are, of the rows that each stand for `step` of them: [1,T] -> [1,T/step].
ValueId every(Net& net, ValueId there, int64_t step) {
  return net.op("Slice", {there, net.integers("start", {1}, {0}),
                          net.integers("end", {1}, {net.size(there, 1)}),
                          net.integers("axis", {1}, {1}), net.integers("step", {1}, {step})});
}

/// mel [1,T,bins] -> [1,T/factor,width].
ValueId subsample(Net& net, ValueId mel, ValueId there, const std::string& prefix,
                  const ParakeetSizes& s) {
  ValueId x = net.reshape(mel, {1, 1, net.size(mel, 1), s.bins});
  ConvPlan first, halved, pointwise;
  first.strides = halved.strides = {s.stride, s.stride};
  first.pads = halved.pads = std::vector<int64_t>(4, (s.kernel - 1) / 2);
  halved.group = s.channels;
  const std::vector<int64_t> kernel = {s.kernel, s.kernel};
  const auto layer = [&](int64_t i) { return prefix + "layers." + std::to_string(i); };
  int64_t step = s.stride;
  const auto rest_hidden = [&](ValueId in) {
    const int64_t rows = net.size(in, 2);
    return net.mul(in, net.reshape(every(net, there, step), {1, 1, rows, 1}));
  };
  x = rest_hidden(net.activation(net.conv(x, layer(0), s.channels, kernel, first), "Relu"));
  for (int64_t i = 0; i + 1 < s.stages; ++i) {
    step *= s.stride;
    x = net.conv(x, layer(3 * i + 2), s.channels, kernel, halved);
    x = net.conv(x, layer(3 * i + 3), s.channels, {1, 1}, pointwise);
    x = rest_hidden(net.activation(x, "Relu"));
  }
  // Published with the channels before the bins; here they lie behind them.
  const int64_t rows = net.size(x, 2), bins = net.size(x, 3);
  x = net.reshape(net.transpose(x, {0, 2, 3, 1}), {1, rows, bins * s.channels});
  const std::string linear = prefix + "linear";
  const ValueId weight = net.reshape(
      net.transpose(net.reshape(net.weight(linear + ".weight", {s.width, s.channels * bins}),
                                {s.width, s.channels, bins}),
                    {0, 2, 1}),
      {s.width, bins * s.channels});
  const ValueId scale = net.scalar(s.scale);
  return net.linear(x, net.mul(weight, scale),
                    net.mul(net.weight(linear + ".bias", {s.width}), scale), linear);
}

ValueId parakeet_block(Net& net, ValueId x, const std::string& block, const ParakeetSizes& s,
                       ValueId length, ValueId there) {
  const auto half_feed = [&](ValueId in, const std::string& feed) {
    const ValueId n = net.layer_norm(in, block + "norm_" + feed, kParakeetEpsilon);
    const ValueId wide = net.linear(n, block + feed + ".linear1", s.inner, s.activation);
    const ValueId out = net.linear(wide, block + feed + ".linear2", s.width);
    return net.add(net.mul(out, net.scalar(0.5f)), in);
  };
  x = half_feed(x, "feed_forward1");
  const std::string self = block + "self_attn.", conv = block + "conv.";
  const ValueId attended =
      relative_attention(net, net.layer_norm(x, block + "norm_self_att", kParakeetEpsilon),
                         {self + "q_proj", self + "k_proj", self + "v_proj", self + "o_proj",
                          self + "relative_k_proj", self + "bias_u", self + "bias_v", s.heads},
                         self + "attention", length);
  x = net.add(attended, x);
  const ConvModule module = {conv + "pointwise_conv1",
                             conv + "depthwise_conv",
                             conv + "norm",
                             conv + "pointwise_conv2",
                             s.activation,
                             s.conv_kernel};
  x = net.add(
      conv_module(net, net.layer_norm(x, block + "norm_conv", kParakeetEpsilon), module, there), x);
  x = half_feed(x, "feed_forward2");
  return net.layer_norm(x, block + "norm_out", kParakeetEpsilon);
}

void add_parakeet(Recipe& recipe, const std::string& entry, int64_t count,
                  const std::string& prefix, const ParakeetSizes& s) {
  Net& net = recipe.entry(entry, kParakeetArena);
  const ValueId mel = net.input("input_features", {1, count, s.bins});
  const ValueId mask = net.to_floats(net.input("attention_mask", {1, count}, DType::i64));
  ValueId x = subsample(net, mel, mask, prefix + "subsampling.", s);
  const int64_t rows = net.size(x, 1);
  const ValueId held = every(net, mask, s.factor), there = net.reshape(held, {1, rows, 1});
  const ValueId count_held = net.op("Max", {net.sum(held, {0, 1}, false), net.scalar(1.0f)});
  const ValueId length = net.reshape(net.op("Cast", {count_held}, {{"to", int64_t{7}}}), {1});
  for (int64_t i = 0; i < s.layers; ++i)
    x = parakeet_block(net, x, prefix + "layers." + std::to_string(i) + ".", s, length, there);
  const ValueId head = net.reshape(net.weight("ctc_head.weight", {s.vocabulary, s.width, 1}),
                                   {s.vocabulary, s.width});
  net.output("logits",
             net.linear(x, head, net.weight("ctc_head.bias", {s.vocabulary}), "ctc_head"));
}

std::unique_ptr<fb::AudioFrontendT> parakeet_frontend(const Settings& given, const ParakeetSizes& s,
                                                      int64_t frames) {
  auto audio = std::make_unique<fb::AudioFrontendT>();
  audio->kind = "log_mel";
  audio->sample_rate_hz = static_cast<uint32_t>(given.size_or("sampling_rate", 16000));
  audio->hop_samples = static_cast<uint32_t>(given.size_or("hop_length", 160));
  audio->window_samples = static_cast<uint32_t>(given.size_or("win_length", 400));
  audio->fft_size = static_cast<uint32_t>(given.size_or("n_fft", 512));
  audio->clip_samples = static_cast<uint32_t>(frames) * audio->hop_samples;
  audio->mel_bins = static_cast<uint32_t>(s.bins);
  audio->mel_high_hz = static_cast<float>(audio->sample_rate_hz) / 2;
  audio->mel_scale = "slaney";
  audio->preemphasis = static_cast<float>(given.number_or("preemphasis", 0.97));
  audio->log_offset = audio->log_floor = 5.9604645e-8f;  // 2^-24
  audio->normalize = "per_feature";
  audio->symmetric_window = audio->center = audio->zero_padded = true;
  audio->layout = "frames_first";
  return audio;
}

}  // namespace

void build_parakeet(Recipe& recipe) {
  const ParakeetSizes s = read_parakeet_sizes(recipe.config);
  const std::string prefix =
      recipe.checkpoint.prefix_of("subsampling.linear.weight", {"encoder.", "model.encoder."});
  const Settings sound = recipe.checkpoint.settings("preprocessor_config.json");
  const int64_t per_second =
      sound.size_or("sampling_rate", 16000) / sound.size_or("hop_length", 160);
  // Whole rows: what is more than the seconds said is less than a row.
  const auto frames_of = [&](int64_t seconds) {
    return (seconds * per_second + s.factor - 1) / s.factor * s.factor;
  };
  const int64_t seconds = recipe.dim("seconds", 10, 60);
  const int64_t frames = recipe.dim("frames", frames_of(seconds), 60 * per_second);
  const auto named = [](int64_t length) { return "listen_" + std::to_string(length) + "s"; };
  if (frames % s.factor != 0)
    throw ConvertError("its frames must be a multiple of " + std::to_string(s.factor), "checkpoint",
                       "Choose another number with --dim frames=N");
  if (frames != frames_of(seconds)) {
    add_parakeet(recipe, kOnlyEntry, frames, prefix, s);
  } else {
    for (const int64_t shorter : std::array<int64_t, 2>{5, 10})
      if (shorter < seconds) add_parakeet(recipe, named(shorter), frames_of(shorter), prefix, s);
    add_parakeet(recipe, named(seconds), frames, prefix, s);
  }
  recipe.task = std::make_shared<fb::TaskT>();
  recipe.task->kind = "speech_recognition";
  recipe.task->labels = spoken_pieces(recipe.checkpoint.settings("tokenizer.json"), s.vocabulary,
                                      recipe.config.whole_or("pad_token_id", s.vocabulary - 1));
  recipe.task->audio = parakeet_frontend(sound, s, frames);
}

}  // namespace heed::families
