#pragma once
// What a detector or a segmenter found, as a picture for people.

#include <array>
#include <vector>

#include "models/heed_tasks.h"
#include "models/image/image_file.h"

namespace heed {

using Color = std::array<uint8_t, 3>;

/// The same color for a class in every picture: black for the first, then those of PASCAL VOC.
Color class_color(uint8_t index);

/// A frame around every box, the most probable on top.
Image draw_boxes(Image picture, const std::vector<heed_box>& boxes);

/// Every pixel in its class's color.
Image draw_mask(const std::vector<uint8_t>& mask, int32_t width, int32_t height);

}  // namespace heed
