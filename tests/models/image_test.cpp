#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fstream>
#include <iterator>

#include "models/image/image_file.h"
#include "models/image/image_preprocess.h"
#include "models/image/resize.h"
#include "models/tensors/npy.h"
#include "tests/support/test_models.h"

namespace {

heed::Image ramp(int32_t width, int32_t height, int32_t channels) {
  heed::Image image{width, height, channels, {}};
  for (int32_t i = 0; i < width * height * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 37 % 256));
  return image;
}

}  // namespace

TEST_CASE("resizing to the same size changes nothing, a flat picture stays flat") {
  const heed::Image image = ramp(7, 5, 3);
  CHECK(heed::resize_bilinear(image, 7, 5).pixels == image.pixels);
  const heed::Image flat{9, 4, 1, std::vector<uint8_t>(36, 200)};
  for (const auto& [w, h] : {std::pair{1, 1}, {3, 17}, {40, 2}})
    CHECK(heed::resize_bilinear(flat, w, h).pixels ==
          std::vector<uint8_t>(static_cast<size_t>(w * h), 200));
}

TEST_CASE("enlarging two pixels to four mixes them by a quarter") {
  const heed::Image two{2, 1, 1, {0, 100}};
  CHECK(heed::resize_bilinear(two, 4, 1).pixels == std::vector<uint8_t>{0, 25, 75, 100});
}

TEST_CASE("shrinking averages what a pixel covers") {
  const heed::Image four{4, 1, 1, {0, 0, 100, 100}};
  CHECK(heed::resize_bilinear(four, 2, 1).pixels == std::vector<uint8_t>{14, 86});
}

TEST_CASE("a crop that reaches beyond the picture is black there") {
  const heed::Image image = ramp(2, 2, 1);
  const heed::Image part = heed::crop(image, -1, -1, 4, 4);
  CHECK(part.at(0, 0)[0] == 0);
  CHECK(part.at(1, 1)[0] == image.at(0, 0)[0]);
  CHECK(part.at(2, 2)[0] == image.at(1, 1)[0]);
  CHECK(part.at(3, 3)[0] == 0);
}

TEST_CASE("a real photograph is fitted to the very pixels that Pillow gives") {
  heed::ImagePreprocessConfig config;
  config.width = config.height = 224;
  config.resize_shorter = 256;
  heed::Npy golden;
  std::string error;
  const std::string path = test_model("vit_tiny/golden_rgb_5x224x224x3_u8.npy");
  REQUIRE(heed::read_npy(path, &golden, &error));
  std::ifstream list(test_model("vit_tiny/golden_files.txt"));
  size_t picture = 0;
  for (std::string name; std::getline(list, name); ++picture) {
    INFO(name);
    heed::Image image;
    const std::string picture_path = test_model(name);
    REQUIRE(heed::read_image(picture_path, 3, &image, &error));
    const heed::Image fitted = heed::fit_image(image, config);
    REQUIRE(fitted.pixels.size() == 224 * 224 * 3);
    const uint8_t* expected = golden.bytes.data() + picture * fitted.pixels.size();
    int worst = 0;
    size_t differing = 0;
    for (size_t i = 0; i < fitted.pixels.size(); ++i) {
      const int difference = std::abs(int{fitted.pixels[i]} - int{expected[i]});
      worst = std::max(worst, difference);
      differing += difference > 1;
    }
    // The two JPEG decoders differ by a few levels; the resize is exact on equal input.
    INFO("worst " << worst << ", beyond one level " << differing);
    CHECK(worst <= 6);
    CHECK(differing < fitted.pixels.size() / 50);
  }
  CHECK(picture == 5);
}

TEST_CASE("normalising puts channels where the layout says") {
  heed::ImagePreprocessConfig config;
  config.width = 2;
  config.height = 1;
  config.mean = {0.5f, 0.5f, 0.5f};
  config.std = {0.5f, 0.5f, 0.5f};
  const heed::Image image{2, 1, 3, {255, 0, 0, 0, 255, 255}};
  float out[6];
  heed::normalize_image(image, config, out);
  const float first[6] = {1, -1, -1, 1, -1, 1};
  CHECK(std::memcmp(out, first, sizeof out) == 0);
  config.channels_first = false;
  config.invert = true;
  heed::normalize_image(image, config, out);
  const float last[6] = {-1, 1, 1, 1, -1, -1};
  CHECK(std::memcmp(out, last, sizeof out) == 0);
}

TEST_CASE("what is not a picture is refused with a reason") {
  heed::Image image;
  std::string error;
  const std::vector<uint8_t> text = {'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'};
  CHECK_FALSE(heed::decode_image(text.data(), text.size(), 3, &image, &error));
  CHECK(error.find("is not a picture") != std::string::npos);
  CHECK_FALSE(heed::read_image("/nowhere/at/all.png", 3, &image, &error));
  CHECK(error.find("/nowhere/at/all.png") != std::string::npos);
}

TEST_CASE(
    "a PNG that was written is read back as it was, and every cut of it is refused or whole") {
  const heed::Image image = ramp(13, 7, 3);
  const std::string path = "heed_image_test.png";
  std::string error;
  REQUIRE(heed::write_png(path, image, &error));
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  heed::Image back;
  REQUIRE(heed::decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), 3, &back,
                             &error));
  CHECK(back.pixels == image.pixels);
  for (size_t size = 0; size < bytes.size(); ++size)
    heed::decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), size, 3, &back, &error);
  remove(path.c_str());
}
