#include "models/image/lettering.h"

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <array>

namespace heed {
namespace {

constexpr size_t kTextMax = 200;  // characters; the rest is cut off

/// What stb_easy_font makes of a rectangle: its four corners, clockwise from the upper left.
struct Corner {
  float x, y, z;
  uint8_t color[4];
};
constexpr size_t kCornersMax = kTextMax * 40;  // a letter is at most ten rectangles

/// One character for each code point.
std::string plain(const std::string& text) {
  std::string made;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80 && byte < 0xC0) continue;  // belongs to the one before
    made += byte >= 32 && byte < 127 ? c : '?';
  }
  return made.substr(0, kTextMax);
}

}  // namespace

int32_t text_width(const std::string& text, int32_t zoom) {
  std::string written = plain(text);
  return stb_easy_font_width(written.data()) * zoom;
}

void draw_text(Image* picture, int32_t x, int32_t y, int32_t zoom, const std::string& text,
               Color color) {
  std::vector<Corner> corners(kCornersMax);
  std::string written = plain(text);
  const int count = stb_easy_font_print(0, 0, written.data(), nullptr, corners.data(),
                                        static_cast<int>(corners.size() * sizeof(Corner)));
  for (int i = 0; i < count; ++i) {
    const Corner& low = corners[static_cast<size_t>(i) * 4];
    const Corner& high = corners[static_cast<size_t>(i) * 4 + 2];
    const auto at = [zoom](int32_t from, float part) {
      return from + zoom * static_cast<int32_t>(part);
    };
    fill_rectangle(picture, at(x, low.x), at(y, low.y), at(x, high.x), at(y, high.y), color);
  }
}

void fill_rectangle(Image* picture, int32_t x0, int32_t y0, int32_t x1, int32_t y1, Color color) {
  const auto channels = static_cast<size_t>(picture->channels);
  for (int32_t y = std::max(0, y0); y < std::min(picture->height, y1); ++y)
    for (int32_t x = std::max(0, x0); x < std::min(picture->width, x1); ++x) {
      const size_t pixel =
          static_cast<size_t>(y) * static_cast<size_t>(picture->width) + static_cast<size_t>(x);
      std::copy_n(color.begin(), channels, picture->pixels.data() + pixel * channels);
    }
}

}  // namespace heed
