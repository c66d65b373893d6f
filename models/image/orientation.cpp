#include "models/image/orientation.h"

#include <string.h>

#include <utility>

namespace heed {
namespace {

constexpr uint32_t kOrientationTag = 0x0112, kShort = 3;

/// A part of the file that is never left.
struct ExifBytes {
  const uint8_t* data;
  size_t size;

  ExifBytes from(size_t offset) const {
    return offset > size ? ExifBytes{data, 0} : ExifBytes{data + offset, size - offset};
  }
  /// `count` bytes as a number; 0 where there are not so many.
  uint32_t number(size_t offset, size_t count, bool little) const {
    if (offset > size || size - offset < count) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i)
      value = value << 8 | data[offset + (little ? count - 1 - i : i)];
    return value;
  }
  bool begins(const char* word, size_t count) const {
    return size >= count && memcmp(data, word, count) == 0;
  }
};

// A TIFF header, then a directory of 12-byte entries.
int32_t tiff_orientation(ExifBytes tiff) {
  const bool little = tiff.begins("II*\0", 4);
  if (!little && !tiff.begins("MM\0*", 4)) return 1;
  const ExifBytes directory = tiff.from(tiff.number(4, 4, little));
  const uint32_t entries = directory.number(0, 2, little);
  for (uint32_t i = 0; i < entries; ++i) {
    const ExifBytes entry = directory.from(2 + size_t{i} * 12);
    if (entry.size < 12) return 1;
    if (entry.number(0, 2, little) != kOrientationTag) continue;
    const uint32_t value = entry.number(2, 2, little) == kShort ? entry.number(8, 2, little) : 0;
    return value >= 1 && value <= 8 ? static_cast<int32_t>(value) : 1;
  }
  return 1;
}

// Segments until the pixels begin: FF, marker, length of what follows.
int32_t jpeg_orientation(ExifBytes file) {
  for (ExifBytes at = file.from(2); at.size >= 4 && at.data[0] == 0xff && at.data[1] != 0xda;) {
    const ExifBytes body = at.from(4);
    if (at.data[1] == 0xe1 && body.begins("Exif\0\0", 6)) return tiff_orientation(body.from(6));
    at = at.from(2 + size_t{at.number(2, 2, false)});
  }
  return 1;
}

// Chunks: length, name, content, checksum.
int32_t png_orientation(ExifBytes file) {
  for (ExifBytes at = file.from(8); at.size >= 12;
       at = at.from(12 + size_t{at.number(0, 4, false)}))
    if (at.from(4).begins("eXIf", 4)) return tiff_orientation(at.from(8));
  return 1;
}

// Chunks: name, length, content padded to an even number of bytes.
int32_t webp_orientation(ExifBytes file) {
  for (ExifBytes at = file.from(12); at.size >= 8;) {
    const size_t length = at.number(4, 4, true);
    const ExifBytes body = at.from(8);
    if (at.begins("EXIF", 4))
      return tiff_orientation(body.begins("Exif\0\0", 6) ? body.from(6) : body);
    at = at.from(8 + length + length % 2);
  }
  return 1;
}

}  // namespace

int32_t exif_orientation(const uint8_t* bytes, size_t size) {
  const ExifBytes file{bytes, size};
  if (file.begins("\xff\xd8", 2)) return jpeg_orientation(file);
  if (file.begins("\x89PNG", 4)) return png_orientation(file);
  if (file.begins("RIFF", 4)) return webp_orientation(file);
  return 1;
}

Image upright(Image image, int32_t orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool turned = orientation >= 5;  // columns become rows
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{turned ? image.height : image.width, turned ? image.width : image.height,
            image.channels, std::vector<uint8_t>(image.pixels.size())};
  uint8_t* to = out.pixels.data();
  for (int32_t y = 0; y < out.height; ++y)
    for (int32_t x = 0; x < out.width; ++x, to += out.channels) {
      const int32_t u = turned ? y : x, v = turned ? x : y;
      memcpy(to,
             image.at(from_right ? image.width - 1 - u : u, from_below ? image.height - 1 - v : v),
             static_cast<size_t>(out.channels));
    }
  return out;
}

}  // namespace heed
