#pragma once
// Draws attention over what was attended to: a picture, or the rows of features of a sound.

#include <stdint.h>

#include <string>
#include <vector>

#include "models/image/image_file.h"

namespace heed {

/// Logarithms of energies, [frames][features], as a grey picture: time from left to right, the
/// first feature at the bottom, dark to light over the values' range; each value `zoom` pixels wide
/// and high.
Image draw_features(const float* values, int32_t frames, int32_t features, int32_t zoom);

/// What the darkest and the brightest colour stand for: nearly the least and the largest weight, 2
/// % of the cells each may lie beyond.
struct HeatRange {
  float low = 0, high = 0;
};
HeatRange heat_range(const std::vector<float>& weights);

/// Lays weights (rows x columns, not negative) over a picture, smoothly from cell to cell. The
/// result is RGB: the picture in grey, the darker the less it was attended to, and colour from
/// red over orange to yellow where it was.
Image draw_attention(const Image& picture, const std::vector<float>& weights, int32_t rows,
                     int32_t columns);

/// A strip beneath a picture that says what colours and picture show; `unit`: of a weight.
Image with_legend(const Image& picture, const HeatRange& range, const std::string& unit,
                  const std::string& what);

/// A strip beneath a picture of a sound: its seconds, and words beneath the time they were said.
struct PlacedWord {
  std::string text;
  double start_s = 0, end_s = 0;
};
Image with_words(const Image& picture, double length_s, const std::vector<PlacedWord>& words);

}  // namespace heed
