// Whisper: an encoder over log-mel frames, a decoder that reads it by cross-attention.
//
//   encode_<seconds>s  mel [1,bins,frames] -> hidden; leaves the keys and values that every decoder
//                      layer's cross-attention reads in caches. One for each length of sound, with
//                      the same weights: a sound of 4 seconds costs 5 seconds' work, not 30.
//   decode_step        one token for each of `beams` sequences -> logits. The sequences share the
//                      encoder's keys and values (to cross-attention they are queries of one
//                      sequence) and have caches of their own for what they have said.
//   prefill            several tokens of what was said before, to the same caches.
//
//   encoder: x = gelu(conv2(gelu(conv1(mel)))) + positions; per layer x += attention(norm(x)),
//            x += W2 gelu(W1 norm(x)); hidden = norm(x)
//   decoder: the same with causal attention, and cross-attention between the two; logits = norm(x)
//            E^T, E the table of token embeddings

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/schema/model_generated.h"
#include "models/families/family.h"
#include "models/families/tokenizer_files.h"

namespace heed::families {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr uint32_t kEncoderArena = 1;
constexpr int64_t kPrefillRuns = 4;  // of the longest previous text, half of what the caches hold
constexpr int64_t kRowsPerSecond = 50;  // of the encoder; two frames each

struct Sizes {
  int64_t width = 0, vocabulary = 0, bins = 0, source_rows = 0, target_rows = 0;
  int64_t encoder_layers = 0, encoder_heads = 0, encoder_inner = 0;
  int64_t decoder_layers = 0, decoder_heads = 0, decoder_inner = 0;
  std::string activation;
};

Sizes read_sizes(const Settings& config) {
  Sizes s;
  s.width = config.size("d_model");
  s.vocabulary = config.size("vocab_size");
  s.bins = config.size("num_mel_bins");
  s.source_rows = config.size("max_source_positions");
  s.target_rows = config.size("max_target_positions");
  s.encoder_layers = config.size("encoder_layers");
  s.encoder_heads = config.size("encoder_attention_heads");
  s.encoder_inner = config.size("encoder_ffn_dim");
  s.decoder_layers = config.size("decoder_layers");
  s.decoder_heads = config.size("decoder_attention_heads");
  s.decoder_inner = config.size("decoder_ffn_dim");
  s.activation = activation_named(config.text_or("activation_function", "gelu"));
  if (s.width % s.encoder_heads != 0 || s.width % s.decoder_heads != 0)
    config.refuse("encoder_attention_heads", "does not divide d_model");
  return s;
}

/// The first `rows` rows of a table of positions.
ValueId positions(Net& net, const std::string& table, int64_t rows, int64_t width) {
  net.weight(table, {-1, width});
  const graph::ConstantPtr all = net.checkpoint().tensor(table);
  return net.floats(table + ":" + std::to_string(rows), {rows, width},
                    {all->f32.begin(), all->f32.begin() + static_cast<ptrdiff_t>(rows * width)});
}

ValueId feed_forward(Net& net, ValueId x, const std::string& layer, const Sizes& s, int64_t inner) {
  const ValueId n = net.layer_norm(x, layer + "final_layer_norm", kEpsilon);
  const ValueId wide = net.linear(n, layer + "fc1", inner, s.activation);
  return net.add(net.linear(wide, layer + "fc2", s.width), x);
}

std::string cache_name(int64_t layer, const char* which) {
  return "cache." + std::to_string(layer) + "." + which;
}

/// An entry point for sounds of `seconds`.
void add_encoder(Recipe& recipe, const Sizes& s, const std::string& prefix, int64_t seconds) {
  // A sound is encoded by one of them.
  Net& net = recipe.entry("encode_" + std::to_string(seconds) + "s", kEncoderArena);
  const int64_t rows = std::min(seconds * kRowsPerSecond, s.source_rows);
  const std::string encoder = prefix + "encoder.";
  ValueId x = net.input("mel", {1, s.bins, 2 * rows});
  ConvPlan padded, halved;
  padded.pads = halved.pads = {1, 1};
  halved.strides = {2};
  x = net.activation(net.conv(x, encoder + "conv1", s.width, {3}, padded), s.activation);
  x = net.activation(net.conv(x, encoder + "conv2", s.width, {3}, halved), s.activation);
  x = net.add(net.transpose(x, {0, 2, 1}),
              positions(net, encoder + "embed_positions.weight", rows, s.width));
  const AttentionPlan plan{s.encoder_heads, s.width / s.encoder_heads};
  for (int64_t i = 0; i < s.encoder_layers; ++i) {
    const std::string layer = encoder + "layers." + std::to_string(i) + ".",
                      self = layer + "self_attn.";
    const ValueId n = net.layer_norm(x, layer + "self_attn_layer_norm", kEpsilon);
    const ValueId heads = net.attention(
        net.linear(n, self + "q_proj", s.width), net.linear(n, self + "k_proj", s.width),
        net.linear(n, self + "v_proj", s.width), plan, layer + "self_attn");
    x = net.add(net.linear(heads, self + "out_proj", s.width), x);
    x = feed_forward(net, x, layer, s, s.encoder_inner);
  }
  const ValueId hidden = net.layer_norm(x, encoder + "layer_norm", kEpsilon);
  net.output("hidden", hidden);
  const ValueId start = net.integers("start", {1}, {0});
  for (int64_t i = 0; i < s.decoder_layers; ++i) {
    const std::string cross = prefix + "decoder.layers." + std::to_string(i) + ".encoder_attn.";
    const auto leave = [&](const char* which, const char* projection, const char* holds) {
      const ValueId cache = net.state(cache_name(i, which), {1, s.source_rows, s.width},
                                      s.width / s.decoder_heads, holds);
      net.append(cache, net.linear(hidden, cross + projection, s.width), start);
    };
    leave("cross_key", "k_proj", "keys");
    leave("cross_value", "v_proj", "values");
  }
}

/// What the decoder's layers are given: `rows` tokens of each of `beams` sequences.
struct Decoder {
  Net& net;
  const Sizes& s;
  int64_t beams, rows;
  ValueId position, length, encoded;
};

Decoder begin_decoder(Net& net, const Sizes& s, int64_t beams, int64_t rows) {
  const ValueId position = net.input("position", {1}, DType::i64);
  const ValueId encoded = net.input("encoded", {1}, DType::i64);
  const ValueId length = net.add(position, net.integers("rows", {1}, {rows}));
  return {net, s, beams, rows, position, length, encoded};
}

/// [beams, rows, width]: words and their places.
ValueId decoder_input(const Decoder& d, const std::string& decoder) {
  Net& net = d.net;
  const ValueId tokens = net.input("tokens", {d.beams, d.rows}, DType::i64);
  const ValueId word = net.embedding(tokens, decoder + "embed_tokens", d.s.vocabulary, d.s.width);
  ValueId places = d.position;
  if (d.rows > 1) {
    std::vector<int64_t> next(static_cast<size_t>(d.rows));
    std::iota(next.begin(), next.end(), int64_t{0});
    places = net.add(places, net.integers("next", {d.rows}, std::move(next)));
  }
  const ValueId place =
      net.embedding(places, decoder + "embed_positions", d.s.target_rows, d.s.width);
  return net.add(word, net.reshape(place, {1, d.rows, d.s.width}));
}

struct Past {
  ValueId keys, values;
};

/// Every sequence adds its rows to its own caches.
Past remember(const Decoder& d, ValueId normed, const std::string& self, int64_t index) {
  Net& net = d.net;
  const int64_t width = d.s.width;
  const auto append = [&](const char* which, const char* projection, const char* holds) {
    const ValueId cache = net.state(cache_name(index, which), {d.beams, d.s.target_rows, width},
                                    width / d.s.decoder_heads, holds);
    return net.append(cache, net.linear(normed, self + projection, width), d.position);
  };
  const ValueId keys = append("key", "k_proj", "keys");
  return {keys, append("value", "v_proj", "values")};
}

ValueId decoder_layer(const Decoder& d, ValueId x, const std::string& layer, int64_t index) {
  Net& net = d.net;
  const int64_t width = d.s.width, head_width = width / d.s.decoder_heads;
  AttentionPlan plan{d.s.decoder_heads, head_width};
  const std::string self = layer + "self_attn.", cross = layer + "encoder_attn.";
  const ValueId n = net.layer_norm(x, layer + "self_attn_layer_norm", kEpsilon);
  const Past past = remember(d, n, self, index);
  plan.causal = d.rows > 1;
  const ValueId said = net.attention(net.linear(n, self + "q_proj", width), past.keys, past.values,
                                     plan, layer + "self_attn", kNoValue, d.length);
  plan.causal = false;
  x = net.add(net.linear(said, self + "out_proj", width), x);
  // [1, beams * rows, width]: to what was heard all sequences are queries alike.
  const ValueId m = net.layer_norm(x, layer + "encoder_attn_layer_norm", kEpsilon);
  const ValueId queries =
      net.reshape(net.linear(m, cross + "q_proj", width), {1, d.beams * d.rows, width});
  const Shape rows = {1, d.s.source_rows, width};
  const ValueId heard =
      net.attention(queries, net.state(cache_name(index, "cross_key"), rows, head_width, "keys"),
                    net.state(cache_name(index, "cross_value"), rows, head_width, "values"), plan,
                    layer + "encoder_attn", kNoValue, d.encoded);
  x = net.add(net.linear(net.reshape(heard, {d.beams, d.rows, width}), cross + "out_proj", width),
              x);
  return feed_forward(net, x, layer, d.s, d.s.decoder_inner);
}

void add_decoder(Recipe& recipe, const Sizes& s, const std::string& prefix, int64_t beams) {
  Net& net = recipe.entry("decode_step");
  const std::string decoder = prefix + "decoder.";
  const Decoder d = begin_decoder(net, s, beams, 1);
  ValueId x = decoder_input(d, decoder);
  for (int64_t i = 0; i < s.decoder_layers; ++i)
    x = decoder_layer(d, x, decoder + "layers." + std::to_string(i) + ".", i);
  x = net.layer_norm(x, decoder + "layer_norm", kEpsilon);
  const bool tied = !net.checkpoint().has("proj_out.weight");
  const ValueId table = net.weight(tied ? decoder + "embed_tokens.weight" : "proj_out.weight",
                                   {s.vocabulary, s.width});
  net.output("logits",
             net.reshape(net.linear(x, table, kNoValue, "proj_out"), {beams, s.vocabulary}));
}

/// Nothing is said yet: the last layer only remembers. It runs between the encoder, whose arena it
/// takes, and the steps.
void add_prefill(Recipe& recipe, const Sizes& s, const std::string& prefix, int64_t beams) {
  const int64_t rows = s.target_rows / 2 / kPrefillRuns;
  if (rows < 2) return;
  Net& net = recipe.entry("prefill", kEncoderArena);
  const std::string decoder = prefix + "decoder.";
  const Decoder d = begin_decoder(net, s, beams, rows);
  ValueId x = decoder_input(d, decoder);
  const auto layer = [&](int64_t i) { return decoder + "layers." + std::to_string(i) + "."; };
  const int64_t last = s.decoder_layers - 1;
  for (int64_t i = 0; i < last; ++i) x = decoder_layer(d, x, layer(i), i);
  const ValueId n = net.layer_norm(x, layer(last) + "self_attn_layer_norm", kEpsilon);
  remember(d, n, layer(last) + "self_attn.", last);
  net.output("hidden", n);
}

/// {"<|en|>": 50259, ..} as codes in the order of their tokens, and the first token.
void read_languages(const Settings& generation, fb::SpeechDecodingT* to) {
  const JsonTree* map = generation.find("lang_to_id");
  if (map == nullptr || map->object() == nullptr) return;
  std::vector<std::pair<int64_t, std::string>> found;
  for (const auto& [token, id] : *map->object())
    if (id.integer() != nullptr && token.size() > 4)
      found.emplace_back(*id.integer(), token.substr(2, token.size() - 4));
  std::sort(found.begin(), found.end());
  for (const auto& [id, code] : found) {
    if (to->languages.empty()) to->first_language = static_cast<int32_t>(id);
    if (id != to->first_language + static_cast<int64_t>(to->languages.size()))
      generation.refuse("lang_to_id", "has gaps between the languages' tokens");
    to->languages.push_back(code);
  }
}

/// What generation_config.json and config.json say of the special tokens.
std::unique_ptr<fb::SpeechDecodingT> speech_decoding(Recipe& recipe, const Sizes& s) {
  const Settings generation = recipe.checkpoint.settings("generation_config.json");
  const auto whole = [&](const char* key, int64_t otherwise) {
    return static_cast<int32_t>(generation.whole_or(key, recipe.config.whole_or(key, otherwise)));
  };
  auto speech = std::make_unique<fb::SpeechDecodingT>();
  speech->end = whole("eos_token_id", -1);
  speech->start = whole("decoder_start_token_id", -1);
  if (speech->end < 0 || speech->start < 0)
    recipe.config.refuse("decoder_start_token_id", "or eos_token_id is missing");
  read_languages(generation, speech.get());
  const Settings tasks = generation.within("task_to_id");
  speech->translate = static_cast<int32_t>(tasks.whole_or("translate", -1));
  speech->transcribe = static_cast<int32_t>(tasks.whole_or("transcribe", -1));
  speech->no_timestamps = whole("no_timestamps_token_id", -1);
  // The published vocabularies end in 1501 timestamps, before them <|notimestamps|>, <|nospeech|>
  // and <|startofprev|>.
  if (speech->no_timestamps < 0 && s.vocabulary > 51000)
    speech->no_timestamps = static_cast<int32_t>(s.vocabulary) - 1502;
  if (speech->no_timestamps >= 0) {
    speech->first_timestamp = speech->no_timestamps + 1;
    speech->no_speech = speech->no_timestamps - 1;
    speech->previous = whole("prev_sot_token_id", speech->no_timestamps - 2);
  }
  speech->max_initial_timestamp = whole("max_initial_timestamp_index", 50);
  for (const auto& [key, to] : {std::pair{"suppress_tokens", &speech->suppressed},
                                std::pair{"begin_suppress_tokens", &speech->begin_suppressed}}) {
    std::vector<int64_t> tokens = generation.whole_numbers(key);
    if (tokens.empty()) tokens = recipe.config.whole_numbers(key);
    to->assign(tokens.begin(), tokens.end());
  }
  if (const JsonTree* heads = generation.find("alignment_heads"); heads && heads->list())
    for (const JsonTree& pair : *heads->list())
      for (size_t i = 0; pair.list() && i < pair.list()->size(); ++i)
        if (const int64_t* number = (*pair.list())[i].integer())
          speech->alignment_heads.push_back(static_cast<uint32_t>(*number));
  return speech;
}

std::unique_ptr<fb::AudioFrontendT> frontend(Recipe& recipe, const Sizes& s) {
  const Settings given = recipe.checkpoint.settings("preprocessor_config.json");
  auto audio = std::make_unique<fb::AudioFrontendT>();
  audio->kind = "log_mel";
  audio->sample_rate_hz = static_cast<uint32_t>(given.size_or("sampling_rate", 16000));
  audio->hop_samples = static_cast<uint32_t>(given.size_or("hop_length", 160));
  audio->window_samples = audio->fft_size = static_cast<uint32_t>(given.size_or("n_fft", 400));
  audio->clip_samples = static_cast<uint32_t>(2 * s.source_rows) * audio->hop_samples;
  audio->mel_bins = static_cast<uint32_t>(s.bins);
  audio->mel_high_hz = static_cast<float>(audio->sample_rate_hz) / 2;
  audio->mel_scale = "slaney";
  audio->log_floor = 1e-10f;
  audio->normalize = "whisper";
  audio->center = true;
  audio->layout = "features_first";
  return audio;
}

}  // namespace

void build_whisper(Recipe& recipe) {
  const Sizes s = read_sizes(recipe.config);
  const std::string prefix = recipe.checkpoint.prefix_of("encoder.conv1.weight", {"model.", ""});
  const int64_t seconds_max = std::max<int64_t>(1, s.source_rows / kRowsPerSecond);
  const int64_t longest = recipe.dim("seconds", seconds_max, seconds_max);
  const int64_t beams = recipe.dim("beams", 1, 16);
  for (const int64_t seconds : std::array<int64_t, 4>{5, 10, 15, 20})
    if (seconds < longest) add_encoder(recipe, s, prefix, seconds);
  add_encoder(recipe, s, prefix, longest);
  add_decoder(recipe, s, prefix, beams);
  add_prefill(recipe, s, prefix, beams);
  recipe.task = std::make_shared<fb::TaskT>();
  recipe.task->kind = "speech_recognition";
  recipe.task->audio = frontend(recipe, s);
  recipe.task->speech = speech_decoding(recipe, s);
  add_tokenizer(recipe);
}

}  // namespace heed::families
