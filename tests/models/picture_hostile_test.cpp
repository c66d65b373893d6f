// Pictures that a fuzzer found to write or read beyond stb_image's memory, each refused before
// stb_image sees it.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <iterator>
#include <string>
#include <vector>

#include "models/image/image_file.h"

namespace {

std::string refusal(const std::string& name) {
  heed::Image image;
  std::string error;
  CHECK_FALSE(heed::read_image(HEED_SOURCE_DIR "/tests/golden/images/" + name, &image, &error));
  return error;
}

std::string refusal_of(const std::vector<uint8_t>& bytes) {
  heed::Image image;
  std::string error;
  CHECK_FALSE(heed::decode_image(bytes.data(), bytes.size(), &image, &error));
  return error;
}

void put(std::vector<uint8_t>& bytes, size_t at, uint32_t number) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(number >> 8 * i);
}

/// Of 24 bits a pixel, with room for 4 rows of 5.
std::vector<uint8_t> bitmap(uint32_t width, uint32_t height) {
  std::vector<uint8_t> bytes(54 + 4 * 16, 90);
  std::fill(bytes.begin() + 2, bytes.begin() + 54, uint8_t{0});
  bytes[0] = 'B';
  bytes[1] = 'M';
  bytes[10] = 54;
  bytes[14] = 40;
  put(bytes, 18, width);
  put(bytes, 22, height);
  bytes[26] = 1;
  bytes[28] = 24;
  return bytes;
}

/// A PNG's signature and first chunk: its size, with no pixels behind it.
std::vector<uint8_t> png_header(uint16_t width, uint16_t height) {
  std::vector<uint8_t> bytes = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0,
                                13,   'I', 'H', 'D', 'R',  0,    0,    0,    0, 0, 0,
                                0,    0,   8,   6,   0,    0,    0,    0,    0, 0, 0};
  bytes[18] = static_cast<uint8_t>(width >> 8);
  bytes[19] = static_cast<uint8_t>(width);
  bytes[22] = static_cast<uint8_t>(height >> 8);
  bytes[23] = static_cast<uint8_t>(height);
  return bytes;
}

}  // namespace

TEST_CASE("a picture that claims more pixels than can be taken is refused by its header") {
  const auto refused_as_large = [](uint16_t width, uint16_t height) {
    return refusal_of(png_header(width, height)).find("more pixels") != std::string::npos;
  };
  CHECK(refused_as_large(16000, 16000));
  CHECK(refused_as_large(8192, 8193));
  CHECK_FALSE(refused_as_large(8192, 8192));  // 2^26: damaged, not too large
}

TEST_CASE("a PNG's chunk that claims more than the file is refused before memory is taken for it") {
  std::vector<uint8_t> bytes = png_header(11, 7);
  const uint8_t chunk[] = {0x3f, 0xff, 0xff, 0xff, 'I', 'D', 'A', 'T', 0, 0, 0, 0};
  bytes.insert(bytes.end(), std::begin(chunk), std::end(chunk));
  CHECK(refusal_of(bytes).find("ends before") != std::string::npos);
}

TEST_CASE("a BMP of more rows than the file holds is refused, upright or not") {
  CHECK(refusal_of(bitmap(65024, 770)).find("ends before") != std::string::npos);
  CHECK(refusal_of(bitmap(65024, ~770u + 1)).find("ends before") != std::string::npos);
  CHECK(refusal_of(bitmap(0xffffffff, 1)).find("ends before") != std::string::npos);
  std::vector<uint8_t> old = bitmap(0, 0);
  old[14] = 12;
  put(old, 18, 700u << 16 | 40000);
  put(old, 22, 24u << 16 | 1);
  CHECK(refusal_of(old).find("ends before") != std::string::npos);

  heed::Image image;
  std::string error;
  for (const uint32_t height : {4u, ~4u + 1}) {
    const std::vector<uint8_t> whole = bitmap(5, height);
    const bool decoded = heed::decode_image(whole.data(), whole.size(), &image, &error);
    INFO(error);
    CHECK(decoded);
  }
}

TEST_CASE("a JPEG whose tables overrun is refused before even its size is asked") {
  CHECK(refusal("hostile_tables.jpg").find("Huffman table") != std::string::npos);
}

TEST_CASE("a PNM picture that ends before its last pixel is refused, and not filled with zeros") {
  heed::Image image;
  std::string error;
  for (const std::string header : {"P5 3 2 255\n", "P6\n# 9 9 by hand\r\n3\t2\n255 "}) {
    const size_t pixels = header[1] == '5' ? 6 : 18;
    const std::string whole = header + std::string(pixels, 'x');
    for (size_t size = 2; size <= whole.size(); ++size) {
      INFO(size << " of " << whole.size() << " bytes");
      const auto* bytes = reinterpret_cast<const uint8_t*>(whole.data());
      CHECK(heed::decode_image(bytes, size, &image, &error) == (size == whole.size()));
    }
    CHECK((image.width == 3 && image.height == 2 && image.pixels.front() == 'x'));
  }
  const std::string claim = "P5 4125 2512 255\n";
  CHECK_FALSE(heed::decode_image(reinterpret_cast<const uint8_t*>(claim.data()), claim.size(),
                                 &image, &error));
}

TEST_CASE("a PNM picture of 16 bits is refused") {
  CHECK(refusal("hostile_16_bits.ppm").find("16 bits") != std::string::npos);
}
