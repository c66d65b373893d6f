#pragma once
// Cameras write pictures as the sensor lies and say in EXIF how to turn them.

#include <stddef.h>
#include <stdint.h>

#include "models/image/image_file.h"

namespace heed {

/// The EXIF orientation of a JPEG, PNG or WebP file, 1 to 8; 1, as it is, where there is none or it
/// makes no sense. Reads within `size` bytes whatever they are.
int32_t exif_orientation(const uint8_t* bytes, size_t size);

/// Turned and mirrored so that it stands upright: what Pillow's exif_transpose gives.
Image upright(Image image, int32_t orientation);

}  // namespace heed
