#pragma once
// What a model attended to: maps that runs of the int8 path leave behind, as one weight for each
// key.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/heed.h"

namespace heed {

/// Which attention is shown.
struct AttentionChoice {
  enum class Of {
    fitting,      // the last layer
    class_token,  // the same, for models with a class token only
    rollout,      // through all layers
    layer,        // this one
  };
  Of of = Of::fitting;
  int32_t layer = -1;  // in the order of the entry point's attention ops
  int32_t head = -1;   // -1: the mean of all
  int32_t query = -1;  // -1: the class token, what found the boxes, or the mean of all
};

/// "cls", "rollout", "LAYER" or "LAYER,HEAD"; false for anything else.
bool read_attention_choice(std::string_view text, AttentionChoice* choice);

/// Which keys stand for the cells of a grid laid over the input: `before` come first.
struct TokenGrid {
  int32_t before = 0, rows = 0, columns = 0;  // rows 0: they make no grid
};
/// Over a picture. `asked`: tokens that ask for objects, which may follow the cells.
TokenGrid picture_grid(int32_t keys, int32_t width, int32_t height, int32_t asked);
/// Along the frames of a sound, one row.
TokenGrid sound_grid(int32_t keys, int32_t frames);

/// The layers of one choice, tapped.
///
/// Rollout (Abnar and Zuidema 2020): R = A'_L .. A'_1, A' the mean of a layer's heads, half of it
/// replaced by the identity (the residual path), rows summing to 1. Where the last layer looks from
/// queries at other tokens (a decoder), its own map comes first and the layers over those tokens
/// follow.
class AttentionMap {
 public:
  AttentionMap() = default;
  AttentionMap(AttentionMap&&) = default;  // what was tapped stays where it is
  AttentionMap& operator=(AttentionMap&&) = default;

  /// From now on every run of the session leaves its maps here. Returns false with a sentence in
  /// `error`. The model and this object must outlive the session's runs.
  bool tap(const heed_model& model, heed_session* session, const char* entry_point,
           const AttentionChoice& choice, std::string* error);

  /// Weights over the keys after a run, seen from `queries`, all alike; empty: from all.
  std::vector<float> weights(std::span<const int32_t> queries) const;

  const AttentionChoice& choice() const { return choice_; }
  /// The layer from which is looked: its queries, and the keys of weights().
  const heed_attention& attention() const { return layers_.back().attention; }
  /// "rollout of 12 layers", "layer 11, mean of 3 heads".
  std::string text() const;

 private:
  struct Layer {
    heed_attention attention{};
    int32_t index = 0;
    std::vector<float> map;
  };
  std::vector<float> step(const Layer& layer, const std::vector<float>& from) const;

  AttentionChoice choice_;
  std::vector<Layer> layers_;  // first to last
};

}  // namespace heed
