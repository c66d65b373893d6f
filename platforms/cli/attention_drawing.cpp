#include "platforms/cli/attention_drawing.h"

#include <algorithm>

#include "models/image/resize.h"
#include "ops/isa.h"
#include "platforms/cli/commands.h"

namespace heed::cli {
namespace {

constexpr int32_t kPictureSideMin = 448;  // small model inputs are enlarged to be looked at
constexpr int32_t kSoundWidth = 784, kSoundHeight = 320;

/// The weights that are drawn, and the words for whose they are.
struct Drawn {
  std::vector<float> weights;  // of the grid's cells
  std::string text;
};

/// `found`: as indices of the layer's queries; empty: no object was found, or none is looked for.
Drawn drawn(const AttentionMap& map, const TokenGrid& grid, const std::vector<int32_t>& found) {
  const AttentionChoice& choice = map.choice();
  const heed_attention& looks = map.attention();
  const bool token = grid.before > 0 && (looks.queries == looks.keys || looks.first_query == 0);
  if (choice.of == AttentionChoice::Of::class_token && !token)
    throw CommandError("--attention-of cls: the model has no class token");
  std::vector<int32_t> queries;
  std::string whose = "all queries";
  if (choice.query >= 0) {
    queries = {choice.query};
    whose = "query " + std::to_string(choice.query);
  } else if (!found.empty() && choice.of != AttentionChoice::Of::class_token) {
    queries = found;
    whose = found.size() == 1 ? "the box that was found"
                              : "the " + std::to_string(found.size()) + " boxes that were found";
  } else if (token) {
    queries = {0};
    whose = "class token";
  }
  std::vector<float> weights = map.weights(queries);
  weights.erase(weights.begin(), weights.begin() + grid.before);
  weights.resize(static_cast<size_t>(grid.rows) * static_cast<size_t>(grid.columns));
  return {std::move(weights), whose + ", " + map.text()};
}

}  // namespace

AttentionChoice attention_choice(const std::string& of, int32_t query) {
  AttentionChoice choice;
  if (!of.empty() && !read_attention_choice(of, &choice))
    throw CommandError("--attention-of: '" + of + "' is none of cls, rollout, LAYER, LAYER,HEAD");
  choice.query = query;
  return choice;
}

Image picture_attention(const Image& picture, const AttentionMap& map,
                        const std::vector<int32_t>& found, int32_t asked) {
  const heed_attention& attention = map.attention();
  const TokenGrid grid = picture_grid(attention.keys, picture.width, picture.height, asked);
  if (grid.rows == 0)
    throw CommandError("--attention: the " + std::to_string(attention.keys) + " tokens that '" +
                       attention.name +
                       "' looks at make no grid over the picture; choose another layer with "
                       "--attention-of LAYER");
  // Queries that ask for objects: all of a decoder's, or the last of an encoder's tokens.
  std::vector<int32_t> queries;
  const int32_t cells = grid.before + grid.rows * grid.columns;
  if (attention.queries == asked || attention.queries == cells + asked)
    for (const int32_t query : found) queries.push_back(attention.queries - asked + query);
  const Drawn what = drawn(map, grid, queries);
  const int32_t zoom = std::max(1, (kPictureSideMin + picture.width - 1) / picture.width);
  const Image large = resized(picture, picture.width * zoom, picture.height * zoom);
  return with_legend(draw_attention(large, what.weights, grid.rows, grid.columns),
                     heat_range(what.weights), ", per patch", what.text);
}

namespace {

/// The spectrogram of the front end's clip in mel bands, `width` pixels wide.
Image spectrogram(AudioFrontendConfig config, std::span<const float> samples, int32_t width,
                  int32_t* frames) {
  if (config.kind == "pcm")
    throw CommandError(
        "--attention: the model takes the waveform itself, there is nothing to draw over");
  config.kind = "log_mel";
  config.normalize = "";
  config.features_first = false;
  AudioFrontend mel;
  std::string error;
  if (!mel.create(config, detect_isa(), &error)) throw CommandError("--attention: " + error);
  *frames = mel.frames();
  std::vector<float> energies(static_cast<size_t>(mel.frames()) *
                              static_cast<size_t>(mel.features()));
  mel.compute(samples.data(), samples.size(), energies.data());
  return resized(draw_features(energies.data(), mel.frames(), mel.features(), 1), width,
                 kSoundHeight);
}

}  // namespace

Image sound_attention(const AudioFrontendConfig& frontend, std::span<const float> samples,
                      const std::vector<PlacedWord>& words, const AttentionMap& map) {
  int32_t frames = 0;
  const Image rows = spectrogram(frontend, samples, kSoundWidth, &frames);
  const TokenGrid grid = sound_grid(map.attention().keys, frames);
  const Drawn what = drawn(map, grid, {});
  const Image heat = draw_attention(rows, what.weights, 1, grid.columns);
  const double length_s =
      static_cast<double>(frontend.clip_samples) / static_cast<double>(frontend.sample_rate_hz);
  return with_legend(with_words(heat, length_s, words), heat_range(what.weights),
                     ", per step in time", what.text);
}

Image spoken_attention(const AudioFrontendConfig& frontend, std::span<const float> samples,
                       const std::vector<SpokenSegment>& segments) {
  constexpr double kFrameS = 0.02, kLongestS = 30, kPixelsPerSecond = 60;
  const auto rate = static_cast<double>(frontend.sample_rate_hz);
  const double length_s = std::clamp(static_cast<double>(samples.size()) / rate, 0.1, kLongestS);
  AudioFrontendConfig config = frontend;
  config.clip_samples = static_cast<uint32_t>(length_s * rate);
  int32_t frames = 0;
  const auto width = std::max(kSoundWidth, static_cast<int32_t>(length_s * kPixelsPerSecond));
  const Image rows = spectrogram(
      config, samples.first(std::min<size_t>(samples.size(), config.clip_samples)), width, &frames);
  const auto columns = static_cast<size_t>(length_s / kFrameS);
  std::vector<PlacedWord> words;
  std::vector<float> weights;
  for (const SpokenSegment& segment : segments)
    for (const SpokenWord& word : segment.words) {
      if (word.begin_s >= length_s) continue;
      words.push_back({word.text, word.begin_s, std::min(word.end_s, length_s)});
      const auto first = static_cast<size_t>(word.heard_s / kFrameS);
      weights.resize(words.size() * columns, 0.0f);
      for (size_t k = 0; k < word.attention.size() && first + k < columns; ++k)
        weights[(words.size() - 1) * columns + first + k] = word.attention[k];
    }
  if (words.empty()) throw CommandError("--attention: nothing was said that could be drawn");
  const Image heat = draw_attention(rows, weights, static_cast<int32_t>(words.size()),
                                    static_cast<int32_t>(columns));
  return with_legend(
      with_words(heat, length_s, words), heat_range(weights), ", per word and 20 ms",
      "cross-attention of the " + std::to_string(words.size()) + " words, the first at the top");
}

}  // namespace heed::cli
