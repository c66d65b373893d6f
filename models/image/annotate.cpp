#include "models/image/annotate.h"

#include <algorithm>

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
    for (int32_t y = std::max(0, y0); y < std::min(picture.height, y1); ++y)
      for (int32_t x = std::max(0, x0); x < std::min(picture.width, x1); ++x)
        std::copy_n(
            color.begin(), static_cast<size_t>(picture.channels),
            picture.pixels.data() + (static_cast<size_t>(y) * static_cast<size_t>(picture.width) +
                                     static_cast<size_t>(x)) *
                                        static_cast<size_t>(picture.channels));
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
