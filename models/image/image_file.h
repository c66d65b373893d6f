#pragma once
// Pictures from files and memory (stb_image: PNG, JPEG and others; WebP by libwebp where there is
// one) and PNG output.

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "models/heed_tasks.h"

namespace heed {

/// 8-bit pixels, row-major, channels interleaved.
struct Image {
  int32_t width = 0, height = 0, channels = 0;  // channels: 1 or 3
  std::vector<uint8_t> pixels;

  const uint8_t* at(int32_t x, int32_t y) const {
    return pixels.data() +
           (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
               static_cast<size_t>(channels);
  }
};

/// The same pixels, which stay the image's.
inline heed_picture picture_of(const Image& image) {
  return {image.pixels.data(), image.width, image.height, image.channels, 0};
}

inline constexpr int64_t kImagePixelsMax = int64_t{1}
                                           << 26;  // 64 megapixels: refused before memory is taken

/// Decodes a picture to RGB (transparency is dropped), turned upright as its EXIF says. Returns
/// false with a clause in `error` ("is not a picture that can be read: ...").
bool decode_image(const uint8_t* bytes, size_t size, Image* out, std::string* error);

/// Reads and decodes a file; `error` then is a whole sentence that names it.
bool read_image(const std::string& path, Image* out, std::string* error);

/// Writes a PNG beside `path` and renames it into place. Returns false with a sentence in `error`.
bool write_png(const std::string& path, const Image& image, std::string* error);

}  // namespace heed
