#pragma once
// From a picture to the tensor that a vision model takes: resize, crop, (v / 255 - mean) / std.

#include <string>
#include <vector>

#include "models/image/image_file.h"

namespace heed {

struct ImagePreprocessConfig {
  int32_t width = 0, height = 0;  // of the tensor
  int32_t channels = 3;           // 1: grey
  int32_t resize_shorter = 0;  // resize so that the shorter side is this, then crop the centre; 0:
                               // resize to width x height
  std::vector<float> mean, std;  // per channel; empty: 0 and 1
  bool channels_first = true;
  bool invert = false;  // 255 - v first: ink on paper for models that want light on black
};

/// Returns false with a clause in `error` for constants that make no sense.
bool check_preprocess(const ImagePreprocessConfig& config, std::string* error);

/// The pixels that the model sees, before normalisation: width x height.
Image fit_image(const Image& image, const ImagePreprocessConfig& config);

/// Writes channels * height * width floats of a fitted image.
void normalize_image(const Image& fitted, const ImagePreprocessConfig& config, float* out);

}  // namespace heed
