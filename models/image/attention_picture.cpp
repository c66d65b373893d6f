#include "models/image/attention_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace heed {
namespace {

// Black body colours: dark purple, red, orange, pale yellow; evenly spaced.
constexpr std::array<std::array<float, 3>, 5> kHeat = {
    {{20, 11, 53}, {132, 32, 107}, {229, 92, 48}, {251, 180, 26}, {252, 255, 164}}};

std::array<float, 3> heat_color(float weight) {
  const float at = std::clamp(weight, 0.0f, 1.0f) * static_cast<float>(kHeat.size() - 1);
  const size_t low = std::min(static_cast<size_t>(at), kHeat.size() - 2);
  const float part = at - static_cast<float>(low);
  std::array<float, 3> color{};
  for (size_t c = 0; c < 3; ++c) color[c] = kHeat[low][c] * (1 - part) + kHeat[low + 1][c] * part;
  return color;
}

// The weight at (x, y), both in [0, 1), between the centres of the cells.
float interpolate(const std::vector<float>& weights, int32_t rows, int32_t columns, float x,
                  float y) {
  const float u =
      std::clamp(x * static_cast<float>(columns) - 0.5f, 0.0f, static_cast<float>(columns - 1));
  const float v =
      std::clamp(y * static_cast<float>(rows) - 0.5f, 0.0f, static_cast<float>(rows - 1));
  const int32_t c = std::min(static_cast<int32_t>(u), std::max(0, columns - 2)),
                r = std::min(static_cast<int32_t>(v), std::max(0, rows - 2));
  const int32_t c1 = std::min(c + 1, columns - 1), r1 = std::min(r + 1, rows - 1);
  const float du = u - static_cast<float>(c), dv = v - static_cast<float>(r);
  const auto at = [&](int32_t row, int32_t column) {
    return weights[static_cast<size_t>(row) * static_cast<size_t>(columns) +
                   static_cast<size_t>(column)];
  };
  return (at(r, c) * (1 - du) + at(r, c1) * du) * (1 - dv) +
         (at(r1, c) * (1 - du) + at(r1, c1) * du) * dv;
}

}  // namespace

Image draw_features(const float* values, int32_t frames, int32_t features, int32_t zoom) {
  const size_t count = static_cast<size_t>(frames) * static_cast<size_t>(features);
  // Each feature has its own range: the first cepstral coefficient dwarfs all others.
  Image image{frames * zoom, features * zoom, 1,
              std::vector<uint8_t>(count * static_cast<size_t>(zoom) * static_cast<size_t>(zoom))};
  for (int32_t f = 0; f < features; ++f) {
    float low = values[f], high = values[f];
    for (int32_t t = 0; t < frames; ++t) {
      const float value =
          values[static_cast<size_t>(t) * static_cast<size_t>(features) + static_cast<size_t>(f)];
      low = std::min(low, value);
      high = std::max(high, value);
    }
    const float scale = high > low ? 255.0f / (high - low) : 0.0f;
    for (int32_t y = 0; y < zoom; ++y)
      for (int32_t x = 0; x < image.width; ++x) {
        const float value = values[static_cast<size_t>(x / zoom) * static_cast<size_t>(features) +
                                   static_cast<size_t>(f)];
        const int32_t row = (features - 1 - f) * zoom + y;
        image.pixels[static_cast<size_t>(row) * static_cast<size_t>(image.width) +
                     static_cast<size_t>(x)] = static_cast<uint8_t>((value - low) * scale);
      }
  }
  return image;
}

Image draw_attention(const Image& picture, const std::vector<float>& weights, int32_t rows,
                     int32_t columns) {
  const float top = std::max(*std::max_element(weights.begin(), weights.end()), 1e-12f);
  Image out{picture.width, picture.height, 3, {}};
  out.pixels.reserve(static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3);
  for (int32_t y = 0; y < picture.height; ++y)
    for (int32_t x = 0; x < picture.width; ++x) {
      const float weight =
          interpolate(weights, rows, columns,
                      (static_cast<float>(x) + 0.5f) / static_cast<float>(picture.width),
                      (static_cast<float>(y) + 0.5f) / static_cast<float>(picture.height)) /
          top;
      const std::array<float, 3> color = heat_color(weight);
      const float cover = 0.25f + 0.5f * std::sqrt(weight);
      const uint8_t* pixel = picture.at(x, y);
      for (size_t c = 0; c < 3; ++c) {
        const float under = static_cast<float>(pixel[picture.channels == 3 ? c : 0]);
        out.pixels.push_back(static_cast<uint8_t>(under * (1 - cover) + color[c] * cover));
      }
    }
  return out;
}

}  // namespace heed
