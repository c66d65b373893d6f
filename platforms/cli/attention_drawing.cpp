#include "platforms/cli/attention_drawing.h"

#include <algorithm>
#include <cmath>

#include "models/image/attention_picture.h"
#include "models/image/resize.h"
#include "platforms/cli/commands.h"
#include "platforms/cli/open_model.h"

namespace heed::cli {
namespace {

constexpr int32_t kPictureSideMin = 448;  // small model inputs are enlarged to be looked at
constexpr int32_t kSoundWidth = 784, kSoundHeight = 320;

// Rows of a grid of `cells` square cells over the picture; 0 when there is no such grid.
int32_t grid_rows(const Image& picture, int32_t cells) {
  for (int32_t rows = 1; rows <= cells; ++rows)
    if (cells % rows == 0 &&
        int64_t{cells / rows} * picture.height == int64_t{rows} * picture.width)
      return rows;
  return 0;
}

}  // namespace

void AttentionMap::tap(const Model& model, heed_session* session, const std::string& entry_point,
                       const AttentionChoice& choice) {
  choice_ = choice;
  const Entry entry = find_entry(model, entry_point);
  if (entry.info.attentions == 0)
    throw CommandError("--attention: the model has no attention layer");
  const int32_t layer = choice.layer < 0 ? entry.info.attentions - 1 : choice.layer;
  if (heed_model_attention(model.get(), entry.info.name, layer, &attention_) != HEED_OK)
    throw CommandError("--attention-layer: the model has layers 0 to " +
                       std::to_string(entry.info.attentions - 1));
  if (choice.head >= attention_.heads)
    throw CommandError("--attention-head: the layer has heads 0 to " +
                       std::to_string(attention_.heads - 1));
  if (choice.query >= attention_.queries)
    throw CommandError("--attention-query: the layer has queries 0 to " +
                       std::to_string(attention_.queries - 1));
  map_.resize(static_cast<size_t>(choice.head < 0 ? attention_.heads : 1) *
              static_cast<size_t>(attention_.batch) * static_cast<size_t>(attention_.queries) *
              static_cast<size_t>(attention_.keys));
  Diagnostic diagnostic;
  if (heed_attention_tap(session, entry.info.name, attention_.op, choice.head, map_.data(),
                         map_.size() * sizeof(float), &diagnostic) != HEED_OK)
    throw CommandError("--attention: " + diagnostic.text());
}

std::vector<float> AttentionMap::weights(bool class_token) const {
  const size_t keys = static_cast<size_t>(attention_.keys);
  const size_t queries = static_cast<size_t>(attention_.queries);
  const size_t heads = choice_.head < 0 ? static_cast<size_t>(attention_.heads) : 1;
  size_t first = 0, last = queries;
  if (choice_.query >= 0)
    first = static_cast<size_t>(choice_.query), last = first + 1;
  else if (class_token)
    last = 1;
  std::vector<float> mean(keys, 0.0f);
  for (size_t h = 0; h < heads; ++h)
    for (size_t q = first; q < last; ++q)
      for (size_t k = 0; k < keys; ++k) mean[k] += map_[(h * queries + q) * keys + k];
  for (float& value : mean) value /= static_cast<float>(heads * (last - first));
  if (class_token) mean.erase(mean.begin());
  return mean;
}

Image picture_attention(const Image& picture, const AttentionMap& map) {
  const int32_t keys = map.attention().keys;
  const bool class_token = keys > 1 && grid_rows(picture, keys - 1) != 0;
  const int32_t cells = class_token ? keys - 1 : keys;
  const int32_t rows = std::max(1, grid_rows(picture, cells));
  const int32_t zoom = std::max(1, (kPictureSideMin + picture.width - 1) / picture.width);
  const Image large = resized(picture, picture.width * zoom, picture.height * zoom);
  return draw_attention(large, map.weights(class_token), rows, cells / rows);
}

Image sound_attention(const float* features, int32_t frames, int32_t feature_count,
                      const AttentionMap& map) {
  const int32_t keys = map.attention().keys;
  const bool class_token = keys > 1 && frames % (keys - 1) == 0;
  const Image rows = draw_features(features, frames, feature_count, 4);
  return draw_attention(resized(rows, kSoundWidth, kSoundHeight), map.weights(class_token),
                        1, class_token ? keys - 1 : keys);
}

}  // namespace heed::cli
