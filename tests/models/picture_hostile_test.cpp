// Pictures that a fuzzer found to write or read beyond stb_image's memory, each refused before
// stb_image sees it.

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "models/image/image_file.h"

namespace {

std::string refusal(const std::string& name) {
  heed::Image image;
  std::string error;
  CHECK_FALSE(heed::read_image(HEED_SOURCE_DIR "/tests/golden/images/" + name, &image, &error));
  return error;
}

}  // namespace

TEST_CASE("a JPEG whose tables overrun is refused before even its size is asked") {
  CHECK(refusal("hostile_tables.jpg").find("Huffman table") != std::string::npos);
}

TEST_CASE("a PNM picture of 16 bits is refused") {
  CHECK(refusal("hostile_16_bits.ppm").find("16 bits") != std::string::npos);
}
