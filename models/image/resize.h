#pragma once
// Bilinear resizing with antialiasing when shrinking, as the Python Imaging Library's BILINEAR: the
// triangle filter is widened by the shrink factor, columns first and then rows, in fixed point of
// 22 bits. The pixels are the same as Pillow's, since models were trained on those.

#include "models/image/image_file.h"

namespace heed {

/// width and height >= 1.
Image resize_bilinear(const Image& image, int32_t width, int32_t height);

/// The part that begins at (left, top); beyond the picture's edge the pixels are black.
Image crop(const Image& image, int32_t left, int32_t top, int32_t width, int32_t height);

}  // namespace heed
