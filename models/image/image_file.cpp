#include "models/image/image_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fstream>
#include <memory>

#include "engine/status.h"
#include "models/image/jpeg_check.h"
#include "models/image/length_check.h"
#include "models/image/orientation.h"
#include "models/whole_file.h"

#if HEED_HAVE_WEBP
#include <webp/decode.h>
#endif

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
// Zeros: a JPEG may use tables that it never defined, which stb_image then finds as they are.
#define STBI_MALLOC(bytes) calloc(1, bytes)
#define STBI_REALLOC(p, bytes) realloc(p, bytes)
#define STBI_FREE(p) free(p)
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace heed {

namespace {

constexpr int32_t kRgb = 3;

bool refuse(const char* clause, const char** why) {
  *why = clause;
  return false;
}

bool size_allowed(int64_t width, int64_t height) {
  return width > 0 && height > 0 && width <= kImagePixelsMax && height <= kImagePixelsMax / width;
}

bool is_webp(const uint8_t* bytes, size_t size) {
  return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

#if HEED_HAVE_WEBP
bool decode_webp(const uint8_t* bytes, size_t size, Image* out, const char** why) {
  int width = 0, height = 0;
  if (WebPGetInfo(bytes, size, &width, &height) == 0) return refuse("is a damaged picture", why);
  if (!size_allowed(width, height)) return refuse("claims more pixels than can be taken", why);
  *out = {width, height, 3,
          std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  return WebPDecodeRGBInto(bytes, size, out->pixels.data(), out->pixels.size(), width * 3) !=
                 nullptr
             ? true
             : refuse("is a damaged picture", why);
}
#else
bool decode_webp(const uint8_t*, size_t, Image*, const char** why) {
  return refuse("is a WebP picture, which this build was made without (libwebp)", why);
}
#endif

bool decode_stb(const uint8_t* bytes, size_t size, Image* out, const char** why) {
  int width = 0, height = 0, in_file = 0;
  // Before anything else: even to tell the size, stb_image reads the tables.
  if (!jpeg_tables_fit(bytes, size))
    return refuse("is damaged: a Huffman table has more codes than there can be", why);
  if (!picture_is_whole(bytes, size))
    return refuse("is damaged: it ends before what its header claims", why);
  // stb_image makes room for 8 bits of them and then reads 16.
  if (size > 0 && bytes[0] == 'P' && stbi_is_16_bit_from_memory(bytes, static_cast<int>(size)))
    return refuse("is a PNM picture of 16 bits, which cannot be read", why);
  if (stbi_info_from_memory(bytes, static_cast<int>(size), &width, &height, &in_file) == 0)
    return refuse("is not a picture that can be read (PNG, JPEG, WebP, BMP, PNM)", why);
  // A BMP whose rows begin at the top says so by a negative height.
  if (!size_allowed(width, height < 0 ? -int64_t{height} : height))
    return refuse("claims more pixels than can be taken", why);
  const std::unique_ptr<uint8_t, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes, static_cast<int>(size), &width, &height, &in_file, kRgb),
      stbi_image_free);
  if (!pixels) return refuse("is a damaged picture", why);
  out->width = width;
  out->height = height;
  out->channels = kRgb;
  out->pixels.assign(
      pixels.get(), pixels.get() + static_cast<size_t>(width) * static_cast<size_t>(height) * kRgb);
  return true;
}

// `why` becomes a clause that is a string literal.
bool decode(const uint8_t* bytes, size_t size, Image* out, const char** why) {
  if (size > static_cast<size_t>(INT32_MAX)) return refuse("is larger than 2 GB", why);
  const bool decoded =
      is_webp(bytes, size) ? decode_webp(bytes, size, out, why) : decode_stb(bytes, size, out, why);
  if (decoded) *out = upright(std::move(*out), exif_orientation(bytes, size));
  return decoded;
}

}  // namespace

bool decode_image(const uint8_t* bytes, size_t size, Image* out, std::string* error) {
  const char* why = "";
  if (decode(bytes, size, out, &why)) return true;
  *error = why;
  return false;
}

bool read_image(const std::string& path, Image* out, std::string* error) {
  std::vector<uint8_t> bytes;
  const char* why = "";
  if (!read_whole_file(path, &bytes, error)) return false;
  if (decode(bytes.data(), bytes.size(), out, &why)) return true;
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

heed_status heed_picture_read_file(const char* path, heed_picture* picture,
                                   heed_diagnostic* diagnostic) {
  using namespace heed;
  Status status = fail(diagnostic, Status::ok, "");
  if (path == nullptr || picture == nullptr)
    return static_cast<heed_status>(
        fail(diagnostic, Status::invalid_argument, "a pointer is null"));
  *picture = {};
  Image image;
  std::vector<uint8_t> bytes;
  const char* why = "";
  std::string error;
  if (!read_whole_file(path, &bytes, &error)) {
    status = fail(diagnostic, Status::io_error, "the picture cannot be read");
    set_where(diagnostic, error.c_str());
    return static_cast<heed_status>(status);
  }
  if (!decode(bytes.data(), bytes.size(), &image, &why)) {
    status = fail(diagnostic, Status::bad_input, why);
  } else if (auto* pixels = static_cast<uint8_t*>(malloc(image.pixels.size()))) {
    memcpy(pixels, image.pixels.data(), image.pixels.size());
    *picture = picture_of(image);
    picture->pixels = pixels;
  } else {
    status = fail(diagnostic, Status::out_of_memory, "no memory for a picture");
  }
  set_where(diagnostic, path);
  return static_cast<heed_status>(status);
}

void heed_picture_free(heed_picture* picture) {
  if (picture == nullptr) return;
  free(const_cast<uint8_t*>(picture->pixels));
  *picture = {};
}
