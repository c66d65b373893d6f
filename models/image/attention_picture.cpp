#include "models/image/attention_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "models/image/lettering.h"

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

// Cubic B-spline weights of the four cells around a place `part` of the way from the second to the
// third: smooth, and never below zero.
std::array<float, 4> spline(float part) {
  const float t = part, u = 1 - part;
  return {u * u * u / 6, (4 + t * t * (3 * t - 6)) / 6, (4 + u * u * (3 * u - 6)) / 6,
          t * t * t / 6};
}

/// The cells and their parts at one place of an axis of `cells`; beyond the edge lies the edge.
struct Blend {
  std::array<int32_t, 4> cell;
  std::array<float, 4> part;
};
std::vector<Blend> blends(int32_t pixels, int32_t cells) {
  std::vector<Blend> made(static_cast<size_t>(pixels));
  for (size_t i = 0; i < made.size(); ++i) {
    const float at =
        (static_cast<float>(i) + 0.5f) / static_cast<float>(pixels) * static_cast<float>(cells) -
        0.5f;
    const float low = std::floor(at);
    made[i].part = spline(at - low);
    for (int32_t c = 0; c < 4; ++c)
      made[i].cell[static_cast<size_t>(c)] =
          std::clamp(static_cast<int32_t>(low) + c - 1, 0, cells - 1);
  }
  return made;
}

float luminance(const Image& picture, int32_t x, int32_t y) {
  const uint8_t* pixel = picture.at(x, y);
  if (picture.channels != 3) return static_cast<float>(pixel[0]);
  return 0.299f * static_cast<float>(pixel[0]) + 0.587f * static_cast<float>(pixel[1]) +
         0.114f * static_cast<float>(pixel[2]);
}

constexpr Color kPaper = {24, 22, 28}, kInk = {235, 235, 235};

/// The picture in RGB with a strip of `height` beneath.
Image with_strip(const Image& picture, int32_t height) {
  Image made{picture.width, picture.height + height, 3, {}};
  made.pixels.resize(static_cast<size_t>(made.width) * static_cast<size_t>(made.height) * 3);
  for (int32_t y = 0; y < picture.height; ++y)
    for (int32_t x = 0; x < picture.width; ++x) {
      const uint8_t* pixel = picture.at(x, y);
      for (size_t c = 0; c < 3; ++c)
        made.pixels[(static_cast<size_t>(y) * static_cast<size_t>(made.width) +
                     static_cast<size_t>(x)) *
                        3 +
                    c] = pixel[picture.channels == 3 ? c : 0];
    }
  fill_rectangle(&made, 0, picture.height, made.width, made.height, kPaper);
  return made;
}

std::string number_text(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

Image draw_features(const float* values, int32_t frames, int32_t features, int32_t zoom) {
  constexpr float kDepth = 14.0f;  // shown below the loudest, 61 dB in natural logarithms
  const size_t count = static_cast<size_t>(frames) * static_cast<size_t>(features);
  std::vector<float> sorted(values, values + count);
  std::sort(sorted.begin(), sorted.end());
  const float high = sorted.back(), low = std::max(sorted[count / 20], high - kDepth);
  const float scale = 255.0f / std::max(high - low, 1e-6f);
  Image image{frames * zoom, features * zoom, 1, {}};
  image.pixels.reserve(count * static_cast<size_t>(zoom) * static_cast<size_t>(zoom));
  for (int32_t y = 0; y < image.height; ++y)
    for (int32_t x = 0; x < image.width; ++x) {
      const size_t at = static_cast<size_t>(x / zoom) * static_cast<size_t>(features) +
                        static_cast<size_t>(features - 1 - y / zoom);
      image.pixels.push_back(
          static_cast<uint8_t>(std::clamp((values[at] - low) * scale, 0.0f, 255.0f)));
    }
  return image;
}

HeatRange heat_range(const std::vector<float>& weights) {
  if (weights.empty()) return {};
  std::vector<float> sorted = weights;
  std::sort(sorted.begin(), sorted.end());
  const size_t last = sorted.size() - 1, beyond = last * 2 / 100;
  return {sorted[beyond], sorted[last - beyond]};
}

Image draw_attention(const Image& picture, const std::vector<float>& weights, int32_t rows,
                     int32_t columns) {
  const HeatRange range = heat_range(weights);
  const float scale = 1.0f / std::max(range.high - range.low, 1e-12f);
  const std::vector<Blend> across = blends(picture.width, columns),
                           down = blends(picture.height, rows);
  Image out{picture.width, picture.height, 3, {}};
  out.pixels.reserve(static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3);
  std::vector<float> line(static_cast<size_t>(columns));
  for (int32_t y = 0; y < picture.height; ++y) {
    const Blend& v = down[static_cast<size_t>(y)];
    for (size_t c = 0; c < line.size(); ++c) {
      line[c] = 0;
      for (size_t i = 0; i < 4; ++i)
        line[c] +=
            v.part[i] * weights[static_cast<size_t>(v.cell[i]) * static_cast<size_t>(columns) + c];
    }
    for (int32_t x = 0; x < picture.width; ++x) {
      const Blend& u = across[static_cast<size_t>(x)];
      float weight = 0;
      for (size_t i = 0; i < 4; ++i) weight += u.part[i] * line[static_cast<size_t>(u.cell[i])];
      weight = std::clamp((weight - range.low) * scale, 0.0f, 1.0f);
      const std::array<float, 3> color = heat_color(weight);
      const float grey = (0.55f + 0.45f * weight) * luminance(picture, x, y);
      const float cover = 0.65f * std::sqrt(weight);
      for (size_t c = 0; c < 3; ++c)
        out.pixels.push_back(static_cast<uint8_t>(grey * (1 - cover) + color[c] * cover));
    }
  }
  return out;
}

Image with_legend(const Image& picture, const HeatRange& range, const std::string& unit,
                  const std::string& what) {
  constexpr int32_t kPad = 8, kBarWidth = 120, kBarHeight = 10, kLine = kLetterHeight + 4;
  Image made = with_strip(picture, 2 * kLine + 2 * kPad - 4);
  const int32_t y = picture.height + kPad;
  draw_text(&made, kPad, y, 1, what, kInk);
  const double low = 100.0 * static_cast<double>(range.low),
               high = 100.0 * static_cast<double>(range.high);
  const int digits = high < 10 ? 2 : 1;
  const std::string least = number_text(low, digits);
  int32_t x = kPad;
  draw_text(&made, x, y + kLine, 1, least, kInk);
  x += text_width(least, 1) + 6;
  for (int32_t i = 0; i < kBarWidth; ++i) {
    const std::array<float, 3> heat = heat_color(static_cast<float>(i) / kBarWidth);
    const Color color = {static_cast<uint8_t>(heat[0]), static_cast<uint8_t>(heat[1]),
                         static_cast<uint8_t>(heat[2])};
    fill_rectangle(&made, x + i, y + kLine - 2, x + i + 1, y + kLine - 2 + kBarHeight, color);
  }
  x += kBarWidth + 6;
  draw_text(&made, x, y + kLine, 1, number_text(high, digits) + " % of the attention" + unit, kInk);
  return made;
}

Image with_words(const Image& picture, double length_s, const std::vector<PlacedWord>& words) {
  constexpr int32_t kPad = 5, kTick = 5, kLines = 3;
  const int32_t line = kLetterHeight, top = picture.height;
  Image made = with_strip(picture, kTick + line + kPad + (words.size() > 1 ? kLines : 2) * line);
  const auto place = [&](double at_s) {
    return static_cast<int32_t>(at_s / length_s * static_cast<double>(picture.width));
  };
  const double step_s = length_s <= 2 ? 0.2 : length_s <= 6 ? 0.5 : length_s <= 15 ? 1 : 5;
  for (int32_t i = 0; i * step_s < length_s; ++i) {
    const int32_t x = place(i * step_s);
    fill_rectangle(&made, x, top, x + 1, top + kTick, kInk);
    draw_text(&made, x + 3, top + kTick, 1, number_text(i * step_s, step_s < 1 ? 1 : 0) + " s",
              kInk);
  }
  std::array<int32_t, kLines> used{};  // up to which pixel each line is
  for (const PlacedWord& word : words) {
    const int32_t left = place(word.start_s), right = place(word.end_s);
    const int32_t y = top + kTick + line + kPad;
    const int32_t zoom = words.size() == 1 ? 2 : 1, wide = text_width(word.text, zoom);
    const int32_t x = std::clamp((left + right - wide) / 2, 0, std::max(0, made.width - wide));
    fill_rectangle(&made, left + 1, y - 3, std::max(left + 2, right - 1), y - 2, kInk);
    const auto free = std::find_if(used.begin(), used.end(), [&](int32_t end) { return end <= x; });
    if (free == used.end()) continue;  // no room: the line above shows that something was said
    *free = x + wide + 4;
    draw_text(&made, x, y + static_cast<int32_t>(free - used.begin()) * line, zoom, word.text,
              kInk);
  }
  return made;
}

}  // namespace heed
