#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <iterator>

#include "models/image/image_file.h"
#include "models/image/image_preprocess.h"
#include "models/image/orientation.h"
#include "models/image/resize.h"
#include "models/tensors/npy.h"
#include "tests/support/test_models.h"
#include "tests/support/tiny_models.h"

namespace {

const std::string kGolden = std::string(HEED_SOURCE_DIR) + "/tests/golden/images/";

heed::Image ramp(int32_t width, int32_t height, int32_t channels) {
  heed::Image image{width, height, channels, {}};
  for (int32_t i = 0; i < width * height * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 37 % 256));
  return image;
}

/// A preprocessor with memory of its own.
struct Preprocessor {
  explicit Preprocessor(const heed::ImagePreprocessConfig& config, int32_t side_max = 0) {
    REQUIRE(preprocessor.create(config, side_max, nullptr) == heed::Status::ok);
    heed::Arena counter;
    preprocessor.carve(counter);
    memory = heed::test::AlignedBytes(counter.used());
    heed::Arena arena(memory.data(), memory.size());
    preprocessor.carve(arena);
    values.resize(preprocessor.values());
  }
  heed::Status fill(const heed_picture& picture) {
    return preprocessor.fill(picture, values.data(), nullptr);
  }
  const uint8_t* seen() const { return preprocessor.seen().pixels; }

  heed::PicturePreprocessor preprocessor;
  heed::test::AlignedBytes memory;
  std::vector<float> values;
};

}  // namespace

TEST_CASE("resizing to the same size changes nothing, a flat picture stays flat") {
  const heed::Image image = ramp(7, 5, 3);
  CHECK(heed::resized(image, 7, 5).pixels == image.pixels);
  const heed::Image flat{9, 4, 1, std::vector<uint8_t>(36, 200)};
  for (const auto& [w, h] : {std::pair{1, 1}, {3, 17}, {40, 2}})
    CHECK(heed::resized(flat, w, h).pixels ==
          std::vector<uint8_t>(static_cast<size_t>(w * h), 200));
}

TEST_CASE("enlarging two pixels to four mixes them by a quarter") {
  const heed::Image two{2, 1, 1, {0, 100}};
  CHECK(heed::resized(two, 4, 1).pixels == std::vector<uint8_t>{0, 25, 75, 100});
}

TEST_CASE("shrinking averages what a pixel covers") {
  const heed::Image four{4, 1, 1, {0, 0, 100, 100}};
  CHECK(heed::resized(four, 2, 1).pixels == std::vector<uint8_t>{14, 86});
}

TEST_CASE("every filter gives Pillow's pixels, enlarging and shrinking") {
  // The picture of tests/golden/images/make_pillow_goldens.py.
  heed::Image image{23, 17, 3, {}};
  for (int y = 0; y < 17; ++y)
    for (int x = 0; x < 23; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(
            static_cast<uint8_t>((x * 37 + y * 91 + c * 53 + x * y * 5 + (x > 11) * 128) % 256));
  heed::Npy golden;
  std::string error;
  REQUIRE(heed::read_npy(kGolden + "pillow_resize.npy", &golden, &error));
  const uint8_t* expected = reinterpret_cast<const uint8_t*>(golden.bytes.data());
  size_t compared = 0;
  for (int filter = 0; filter < heed::kResampleCount; ++filter)
    for (const auto& [width, height] : {std::pair{9, 7}, {12, 5}, {40, 22}, {23, 6}, {1, 1}}) {
      INFO("filter " << filter << " to " << width << " x " << height);
      const heed::Image got =
          heed::resized(image, width, height, static_cast<heed::Resample>(filter));
      REQUIRE(compared + got.pixels.size() <= golden.bytes.size());
      CHECK(std::equal(got.pixels.begin(), got.pixels.end(), expected + compared));
      compared += got.pixels.size();
    }
  CHECK(compared == golden.bytes.size());
}

TEST_CASE("a picture is turned upright as its EXIF says") {
  // Dark but for one corner: which, once upright.
  for (const auto& [orientation, corner] : {std::pair{1, 0}, {3, 3}, {5, 0}, {6, 1}, {8, 2}}) {
    INFO("orientation " << orientation);
    heed::Image image;
    std::string error;
    REQUIRE(
        heed::read_image(kGolden + "exif_" + std::to_string(orientation) + ".jpg", &image, &error));
    CHECK(image.width == (orientation >= 5 ? 8 : 16));
    for (int at = 0; at < 4; ++at) {
      const int32_t x = at % 2 == 0 ? 1 : image.width - 2, y = at < 2 ? 1 : image.height - 2;
      CHECK((image.at(x, y)[0] > 128) == (at == corner));
    }
  }
  const heed::Image two{2, 1, 1, {1, 2}};
  CHECK(heed::upright(two, 2).pixels == std::vector<uint8_t>{2, 1});
  CHECK(heed::upright(two, 7).pixels == std::vector<uint8_t>{2, 1});
  CHECK(heed::upright(two, 7).height == 2);
  CHECK(heed::upright(two, 4).pixels == std::vector<uint8_t>{1, 2});
  CHECK(heed::upright(two, 9).pixels == std::vector<uint8_t>{1, 2});
}

TEST_CASE("every cut of a file with EXIF is read within its bytes") {
  std::ifstream in(kGolden + "exif_6.jpg", std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const int32_t orientation = heed::exif_orientation(cut.data(), size);
    CHECK((orientation == 1 || orientation == 6));
  }
}

TEST_CASE("a WebP picture is decoded, or refused by its name") {
  // One pixel, lossless: red.
  const std::vector<uint8_t> webp = {0x52, 0x49, 0x46, 0x46, 0x1c, 0,    0,    0,    0x57,
                                     0x45, 0x42, 0x50, 0x56, 0x50, 0x38, 0x4c, 0x0f, 0,
                                     0,    0,    0x2f, 0,    0,    0,    0,    0x07, 0x10,
                                     0xfd, 0x8f, 0xfe, 0x07, 0x22, 0xa2, 0xff, 0x01, 0};
  heed::Image image;
  std::string error;
  if (heed::decode_image(webp.data(), webp.size(), &image, &error))
    CHECK(image.pixels == std::vector<uint8_t>{255, 0, 0});
  else
    CHECK(error.find("WebP") != std::string::npos);
}

TEST_CASE("a part that reaches beyond the picture is black there") {
  const heed::Image image = ramp(2, 2, 1);
  const heed::ResizedPart part{2, 2, -1, -1, 4, 4, 1, heed::Resample::bicubic};
  std::vector<uint64_t> scratch(static_cast<size_t>(heed::resize_scratch_bytes(part, 1.0, 2) / 8));
  uint8_t out[16];
  REQUIRE(heed::resize(heed::picture_of(image), part, scratch.data(), scratch.size() * 8, out));
  CHECK(out[0] == 0);
  CHECK(out[5] == image.at(0, 0)[0]);
  CHECK(out[10] == image.at(1, 1)[0]);
  CHECK(out[15] == 0);
  CHECK_FALSE(
      heed::resize(heed::picture_of(image), part, scratch.data(), scratch.size() * 8 - 8, out));
}

TEST_CASE("a real photograph is fitted to the very pixels that Pillow gives") {
  heed::ImagePreprocessConfig config;
  config.width = config.height = 224;
  config.resize_shorter = 256;
  Preprocessor fitted(config);
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
    REQUIRE(heed::read_image(picture_path, &image, &error));
    REQUIRE(fitted.fill(heed::picture_of(image)) == heed::Status::ok);
    const size_t bytes = 224 * 224 * 3;
    REQUIRE(fitted.values.size() == bytes);
    const uint8_t* expected = golden.bytes.data() + picture * bytes;
    int worst = 0;
    size_t differing = 0;
    for (size_t i = 0; i < bytes; ++i) {
      const int difference = std::abs(int{fitted.seen()[i]} - int{expected[i]});
      worst = std::max(worst, difference);
      differing += difference > 1;
    }
    // The two JPEG decoders differ by a few levels; the resize is exact on equal input.
    INFO("worst " << worst << ", beyond one level " << differing);
    CHECK(worst <= 6);
    CHECK(differing < bytes / 50);
  }
  CHECK(picture == 5);
}

TEST_CASE("normalising puts channels where the layout says") {
  heed::ImagePreprocessConfig config;
  config.width = 2;
  config.height = 1;
  for (int c = 0; c < 3; ++c) config.mean[c] = config.std[c] = 0.5f;
  const heed::Image image{2, 1, 3, {255, 0, 0, 0, 255, 255}};
  const auto values = [&] {
    Preprocessor preprocessor(config);
    REQUIRE(preprocessor.fill(heed::picture_of(image)) == heed::Status::ok);
    return preprocessor.values;
  };
  CHECK(values() == std::vector<float>{1, -1, -1, 1, -1, 1});
  config.channels_first = false;
  config.invert = true;
  CHECK(values() == std::vector<float>{-1, 1, 1, 1, -1, -1});
  config.bgr = true;
  config.invert = false;
  CHECK(values() == std::vector<float>{-1, -1, 1, 1, 1, -1});
  config.rescale = 2.0f;
  CHECK(values()[2] == (510.0f - 0.5f) / 0.5f);
}

TEST_CASE("pictures are taken with rows apart, with transparency, grey, and refused if too large") {
  heed::ImagePreprocessConfig config;
  config.width = 2;
  config.height = 2;
  config.channels = 1;
  Preprocessor grey(config, 64);
  const uint8_t rgba[2][12] = {{255, 255, 255, 0, 255, 0, 0, 9}, {0, 255, 0, 0, 0, 0, 255, 9}};
  REQUIRE(grey.fill({rgba[0], 2, 2, 4, 12}) == heed::Status::ok);
  CHECK(std::vector<uint8_t>(grey.seen(), grey.seen() + 4) ==
        std::vector<uint8_t>{255, 76, 150, 29});
  config.channels = 3;
  Preprocessor color(config, 64);
  REQUIRE(color.fill({rgba[0], 2, 2, 1, 12}) == heed::Status::ok);
  CHECK(color.seen()[3] == 255);
  CHECK(color.seen()[6] == 0);
  const std::vector<uint8_t> large(65 * 3);
  CHECK(color.fill({large.data(), 65, 1, 3, 0}) == heed::Status::limit_exceeded);
  CHECK(color.fill({large.data(), 64, 1, 3, 0}) == heed::Status::ok);
  CHECK(color.fill({large.data(), 64, 1, 2, 0}) == heed::Status::invalid_argument);
  CHECK(color.fill({nullptr, 4, 1, 3, 0}) == heed::Status::invalid_argument);
  CHECK(color.fill({large.data(), 4, 1, 3, 11}) == heed::Status::invalid_argument);
  config.std[1] = 0;
  heed::PicturePreprocessor none;
  CHECK(none.create(config, 0, nullptr) == heed::Status::bad_model);
}

TEST_CASE("what is not a picture is refused with a reason") {
  heed::Image image;
  std::string error;
  const std::vector<uint8_t> text = {'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'};
  CHECK_FALSE(heed::decode_image(text.data(), text.size(), &image, &error));
  CHECK(error.find("is not a picture") != std::string::npos);
  CHECK_FALSE(heed::read_image("/nowhere/at/all.png", &image, &error));
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
  REQUIRE(heed::decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), &back,
                             &error));
  CHECK(back.pixels == image.pixels);
  for (size_t size = 0; size < bytes.size(); ++size)
    heed::decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), size, &back, &error);
  remove(path.c_str());
}

TEST_CASE("what a task's file asks of resizing is bounded: strips, and filters that reach far") {
  const std::vector<uint8_t> line(8192 * 3, 200);
  heed::ImagePreprocessConfig config;
  config.width = config.height = 4;
  for (const heed::Resample filter : {heed::Resample::nearest, heed::Resample::bilinear}) {
    config.resample = filter;
    config.resize_shorter = 2048;  // 16,777,216 pixels long before the centre is cut out
    Preprocessor narrow(config);
    CHECK(narrow.fill({line.data(), 8192, 1, 3, 0}) == heed::Status::ok);
    CHECK(narrow.seen()[20] == 200);
    config.resize_shorter = 2049;
    Preprocessor narrower(config);
    CHECK(narrower.fill({line.data(), 8192, 1, 3, 0}) == heed::Status::limit_exceeded);
    CHECK(narrower.fill({line.data(), 8191, 1, 3, 0}) == heed::Status::limit_exceeded);
    CHECK(narrower.fill({line.data(), 1, 8000, 3, 0}) == heed::Status::ok);
  }
  // A weight for each of thousands of pixels, for each of thousands of columns.
  config.resample = heed::Resample::lanczos;
  config.resize_shorter = 1;
  config.width = 16384;
  heed::PicturePreprocessor far;
  heed_diagnostic diagnostic{};
  CHECK(far.create(config, 16384, &diagnostic) == heed::Status::limit_exceeded);
  CHECK(diagnostic.actual > int64_t{1} << 32);
}
