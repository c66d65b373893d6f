#include "models/image/resize.h"

#include <algorithm>
#include <cmath>

namespace heed {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8-bit pixels times weights, summed, fit 32 bits

// For each output pixel along one axis: the first input pixel and the weights of those that follow.
struct Taps {
  int32_t most = 0;  // weights per output pixel
  std::vector<int32_t> first, count, weights;
};

Taps make_taps(int32_t in, int32_t out) {
  const double scale = static_cast<double>(in) / out, widen = std::max(scale, 1.0), support = widen;
  Taps taps;
  taps.most = static_cast<int32_t>(std::ceil(support)) * 2 + 1;
  taps.weights.assign(static_cast<size_t>(out) * static_cast<size_t>(taps.most), 0);
  std::vector<double> weights(static_cast<size_t>(taps.most));
  for (int32_t o = 0; o < out; ++o) {
    const double center = (o + 0.5) * scale;
    const int32_t first = std::max(0, static_cast<int32_t>(center - support + 0.5));
    const int32_t last = std::min(in, static_cast<int32_t>(center + support + 0.5));
    double sum = 0;
    for (int32_t i = first; i < last; ++i) {
      const double distance = std::abs((i - center + 0.5) / widen);
      weights[static_cast<size_t>(i - first)] = distance < 1.0 ? 1.0 - distance : 0.0;
      sum += weights[static_cast<size_t>(i - first)];
    }
    for (int32_t i = first; i < last; ++i) {
      const double fixed = weights[static_cast<size_t>(i - first)] / sum * (1 << kFractionBits);
      taps.weights[static_cast<size_t>(o) * static_cast<size_t>(taps.most) +
                   static_cast<size_t>(i - first)] =
          static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    taps.first.push_back(first);
    taps.count.push_back(last - first);
  }
  return taps;
}

uint8_t to_pixel(int32_t fixed) {
  return static_cast<uint8_t>(std::clamp(fixed >> kFractionBits, 0, 255));
}

// One output value: `step` bytes between the input pixels that are mixed.
uint8_t mix(const uint8_t* in, size_t step, const int32_t* weights, int32_t count) {
  int32_t sum = 1 << (kFractionBits - 1);
  for (int32_t i = 0; i < count; ++i) sum += in[static_cast<size_t>(i) * step] * weights[i];
  return to_pixel(sum);
}

}  // namespace

Image resize_bilinear(const Image& image, int32_t width, int32_t height) {
  const size_t channels = static_cast<size_t>(image.channels);
  Image narrow = image;
  if (width != image.width) {
    const Taps taps = make_taps(image.width, width);
    narrow.width = width;
    narrow.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(image.height) * channels);
    uint8_t* out = narrow.pixels.data();
    for (int32_t y = 0; y < image.height; ++y)
      for (size_t x = 0; x < static_cast<size_t>(width); ++x)
        for (size_t c = 0; c < channels; ++c)
          *out++ = mix(image.at(taps.first[x], y) + c, channels,
                       taps.weights.data() + x * static_cast<size_t>(taps.most), taps.count[x]);
  }
  if (height == image.height) return narrow;
  const Taps taps = make_taps(image.height, height);
  const size_t row = static_cast<size_t>(width) * channels;
  Image result{width, height, image.channels,
               std::vector<uint8_t>(static_cast<size_t>(height) * row)};
  uint8_t* out = result.pixels.data();
  for (size_t y = 0; y < static_cast<size_t>(height); ++y)
    for (size_t i = 0; i < row; ++i)
      *out++ = mix(narrow.at(0, taps.first[y]) + i, row,
                   taps.weights.data() + y * static_cast<size_t>(taps.most), taps.count[y]);
  return result;
}

Image crop(const Image& image, int32_t left, int32_t top, int32_t width, int32_t height) {
  const size_t channels = static_cast<size_t>(image.channels);
  Image result{
      width, height, image.channels,
      std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * channels)};
  const int32_t x0 = std::max(0, -left), x1 = std::min(width, image.width - left);
  for (int32_t y = std::max(0, -top); y < std::min(height, image.height - top); ++y)
    if (x0 < x1)
      std::copy_n(image.at(left + x0, top + y), static_cast<size_t>(x1 - x0) * channels,
                  result.pixels.data() + (static_cast<size_t>(y) * static_cast<size_t>(width) +
                                          static_cast<size_t>(x0)) *
                                             channels);
  return result;
}

}  // namespace heed
