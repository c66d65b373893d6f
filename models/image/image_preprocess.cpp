#include "models/image/image_preprocess.h"

#include <algorithm>
#include <cmath>

#include "models/image/resize.h"

namespace heed {

bool check_preprocess(const ImagePreprocessConfig& config, std::string* error) {
  const size_t channels = static_cast<size_t>(config.channels);
  const auto refuse = [&](const char* why) {
    *error = why;
    return false;
  };
  if (config.width <= 0 || config.height <= 0 ||
      static_cast<int64_t>(config.width) * config.height > kImagePixelsMax)
    return refuse("the picture's width and height are out of range");
  if (config.channels != 1 && config.channels != 3)
    return refuse("the picture's channels are neither 1 nor 3");
  if (config.resize_shorter < 0 || config.resize_shorter > 16384)
    return refuse("resize_shorter is out of range");
  if ((!config.mean.empty() && config.mean.size() != channels) ||
      (!config.std.empty() && config.std.size() != channels))
    return refuse("mean and std do not have one number per channel");
  if (std::any_of(config.std.begin(), config.std.end(), [](float s) { return !(s > 0); }))
    return refuse("std holds a number that is not positive");
  return true;
}

Image fit_image(const Image& image, const ImagePreprocessConfig& config) {
  if (config.resize_shorter == 0) return resize_bilinear(image, config.width, config.height);
  const int32_t shorter = std::min(image.width, image.height);
  const auto scaled = [&](int32_t side) {
    return std::max<int32_t>(1, static_cast<int32_t>(std::lround(static_cast<double>(side) *
                                                                 config.resize_shorter / shorter)));
  };
  const Image resized = resize_bilinear(image, scaled(image.width), scaled(image.height));
  return crop(resized, (resized.width - config.width) / 2, (resized.height - config.height) / 2,
              config.width, config.height);
}

void normalize_image(const Image& fitted, const ImagePreprocessConfig& config, float* out) {
  const size_t channels = static_cast<size_t>(config.channels);
  const size_t pixels = static_cast<size_t>(config.width) * static_cast<size_t>(config.height);
  for (size_t c = 0; c < channels; ++c) {
    const float mean = config.mean.empty() ? 0.0f : config.mean[c],
                std = config.std.empty() ? 1.0f : config.std[c];
    for (size_t i = 0; i < pixels; ++i) {
      const int value = fitted.pixels[i * channels + c];
      const float light = static_cast<float>(config.invert ? 255 - value : value) / 255.0f;
      out[config.channels_first ? c * pixels + i : i * channels + c] = (light - mean) / std;
    }
  }
}

}  // namespace heed
