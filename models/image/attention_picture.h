#pragma once
// Draws attention over what was attended to: a picture, or the rows of features of a sound.

#include <stdint.h>

#include <vector>

#include "models/image/image_file.h"

namespace heed {

/// A matrix of features as a grey picture: time from left to right, the first feature at the
/// bottom, dark to light over the values' range; each value `zoom` pixels wide and high.
Image draw_features(const float* values, int32_t frames, int32_t features, int32_t zoom);

/// Lays weights (rows x columns, not negative) over a picture: interpolated to its size, scaled so
/// that the largest is fully coloured. The result is RGB; where the weight is small the picture
/// shows through, darkened.
Image draw_attention(const Image& picture, const std::vector<float>& weights, int32_t rows,
                     int32_t columns);

}  // namespace heed
