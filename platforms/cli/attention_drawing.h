#pragma once
// From an op's attention map to a picture over what it attended to.

#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "models/image/image_file.h"

namespace heed::cli {

/// Which map to draw.
struct AttentionChoice {
  int32_t layer = -1;  // attention op in order, -1: the last
  int32_t head = -1;   // -1: the mean of all
  int32_t query = -1;  // -1: the class token where there is one, else the mean of all queries
};

/// Taps one attention op of a session: its map is filled by every run.
class AttentionMap {
 public:
  /// Throws CommandError when the model has no such layer or head.
  void tap(const Model& model, heed_session* session, const std::string& entry_point,
           const AttentionChoice& choice);

  /// The chosen query's weights over the keys. With a class token (the first of the keys) that
  /// token is the query by default and is left out of the keys.
  std::vector<float> weights(bool class_token) const;

  const heed_attention& attention() const { return attention_; }

 private:
  heed_attention attention_{};
  AttentionChoice choice_;
  std::vector<float> map_;
};

/// Draws over what the model saw, as a grid of the picture's shape. One key more than such a grid
/// has cells means a class token.
Image picture_attention(const Image& picture, const AttentionMap& map);

/// Draws along the time axis of features [frames][features]. One key more than there are frames, or
/// groups of frames, means a class token.
Image sound_attention(const float* features, int32_t frames, int32_t feature_count,
                      const AttentionMap& map);

}  // namespace heed::cli
