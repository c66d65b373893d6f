#include "models/image/annotate.h"

#include <algorithm>

#include "models/image/lettering.h"

namespace heed {

// The bits of the index, three at a time, become the highest bits of red, green and blue.
Color class_color(uint8_t index) {
  Color color = {0, 0, 0};
  for (int bit = 7; index != 0; --bit, index = static_cast<uint8_t>(index >> 3))
    for (size_t c = 0; c < 3; ++c)
      color[c] = static_cast<uint8_t>(color[c] | (index >> c & 1) << bit);
  return color;
}

Image draw_boxes(Image picture, const std::vector<heed_box>& boxes) {
  const int32_t thick = std::max(1, std::max(picture.width, picture.height) / 250);
  const auto paint = [&](int32_t x0, int32_t y0, int32_t x1, int32_t y1, Color color) {
    fill_rectangle(&picture, x0, y0, x1, y1, color);
  };
  for (auto box = boxes.rbegin(); box != boxes.rend(); ++box) {
    const Color color = class_color(static_cast<uint8_t>(box->index % 255 + 1));
    const auto left = static_cast<int32_t>(box->left), top = static_cast<int32_t>(box->top);
    const auto right = static_cast<int32_t>(box->right), bottom = static_cast<int32_t>(box->bottom);
    paint(left, top, right, top + thick, color);
    paint(left, bottom - thick, right, bottom, color);
    paint(left, top, left + thick, bottom, color);
    paint(right - thick, top, right, bottom, color);
  }
  return picture;
}

Image draw_mask(const std::vector<uint8_t>& mask, int32_t width, int32_t height) {
  Image image{width, height, 3, {}};
  image.pixels.reserve(mask.size() * 3);
  for (const uint8_t index : mask) {
    const Color color = class_color(index);
    image.pixels.insert(image.pixels.end(), color.begin(), color.end());
  }
  return image;
}

}  // namespace heed
