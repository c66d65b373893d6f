#include "models/image/image_file.h"

#include <stdio.h>

#include <fstream>
#include <iterator>
#include <memory>

#include "models/image/jpeg_check.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace heed {

bool decode_image(const uint8_t* bytes, size_t size, int32_t channels, Image* out,
                  std::string* error) {
  if (size > static_cast<size_t>(INT32_MAX)) {
    *error = "is larger than 2 GB";
    return false;
  }
  int width = 0, height = 0, in_file = 0;
  if (stbi_info_from_memory(bytes, static_cast<int>(size), &width, &height, &in_file) == 0) {
    *error = "is not a picture that can be read (PNG, JPEG, BMP, PNM)";
    return false;
  }
  if (width <= 0 || height <= 0 || static_cast<int64_t>(width) * height > kImagePixelsMax) {
    *error = "claims " + std::to_string(width) + " x " + std::to_string(height) +
             " pixels, more than can be taken";
    return false;
  }
  if (!jpeg_tables_fit(bytes, size)) {
    *error = "is damaged: a Huffman table has more codes than there can be";
    return false;
  }
  const std::unique_ptr<uint8_t, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes, static_cast<int>(size), &width, &height, &in_file, channels),
      stbi_image_free);
  if (!pixels) {
    *error = std::string("is damaged: ") + stbi_failure_reason();
    return false;
  }
  out->width = width;
  out->height = height;
  out->channels = channels;
  out->pixels.assign(pixels.get(), pixels.get() + static_cast<size_t>(width) *
                                                      static_cast<size_t>(height) *
                                                      static_cast<size_t>(channels));
  return true;
}

bool read_image(const std::string& path, int32_t channels, Image* out, std::string* error) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    *error = "cannot open '" + path + "'";
    return false;
  }
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  std::string why;
  if (decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), channels, out,
                   &why))
    return true;
  *error = "'" + path + "' " + why;
  return false;
}

bool write_png(const std::string& path, const Image& image, std::string* error) {
  std::vector<char> bytes;
  const auto append = [](void* context, void* data, int size) {
    auto* all = static_cast<std::vector<char>*>(context);
    all->insert(all->end(), static_cast<char*>(data), static_cast<char*>(data) + size);
  };
  const std::string beside = path + ".part";
  if (stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels,
                             image.pixels.data(), 0) != 0) {
    std::ofstream out(beside, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (out.good() && rename(beside.c_str(), path.c_str()) == 0) return true;
  }
  remove(beside.c_str());
  *error = "cannot write '" + path + "'";
  return false;
}

}  // namespace heed
