// A picture file: PNG, JPEG, WebP, BMP or PNM, decoded, turned upright and fitted to a tensor.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "engine/arena.h"
#include "models/image/image_file.h"
#include "models/image/image_preprocess.h"
#include "tests/fuzz/fuzz_target.h"

namespace heed::test {
namespace {

constexpr int64_t kPixelsMax = 1 << 20;  // the format allows 64 times as many: slow, no more

/// What the headers of PNG, BMP and JPEG say, so that large pictures, which are sound, are left
/// out.
bool small(const FuzzBytes& bytes) {
  const auto at = [&](size_t place) {
    return place < bytes.size() ? int64_t{bytes[place]} : int64_t{0};
  };
  const auto big = [&](size_t place) { return at(place) << 8 | at(place + 1); };
  const auto within = [](int64_t width, int64_t height) {
    return width <= kPixelsMax && height <= kPixelsMax && width * height <= kPixelsMax;
  };
  if (at(0) == 0x89) return within(big(16) << 16 | big(18), big(20) << 16 | big(22));
  if (at(0) == 'B') {
    const auto side = [&](size_t place) {  // a negative height: the rows from the top
      const int64_t all =
          at(place) | at(place + 1) << 8 | at(place + 2) << 16 | at(place + 3) << 24;
      return std::min(all, (int64_t{1} << 32) - all);
    };
    return within(side(18), side(22));
  }
  if (at(0) == 'P')
    return std::count_if(bytes.begin(), bytes.end(),
                         [](uint8_t byte) { return byte >= '0' && byte <= '9'; }) < 16;
  if (at(0) != 0xff) return true;
  for (size_t i = 2; i + 9 < bytes.size(); ++i)
    if (at(i) == 0xff && at(i + 1) >= 0xc0 && at(i + 1) <= 0xc2 && !within(big(i + 7), big(i + 5)))
      return false;
  return true;
}

/// With every filter, cut out of what is resized by its shorter side.
void fit(const Image& image) {
  for (int32_t filter = 0; filter < kResampleCount; ++filter) {
    ImagePreprocessConfig config;
    config.width = config.height = 4;
    config.resize_shorter = 5;
    config.resample = static_cast<Resample>(filter);
    PicturePreprocessor preprocessor;
    if (preprocessor.create(config, 0, nullptr) != Status::ok) abort();
    Arena counter;
    preprocessor.carve(counter);
    void* memory = nullptr;  // of exactly that size: a step beyond is seen
    if (posix_memalign(&memory, kAlignment, counter.used()) != 0) abort();
    Arena arena(static_cast<std::byte*>(memory), counter.used());
    preprocessor.carve(arena);
    std::vector<float> tensor(preprocessor.values());
    const Status status = preprocessor.fill(picture_of(image), tensor.data(), nullptr);
    if (status != Status::ok && status != Status::limit_exceeded) abort();
    free(memory);
  }
}

void run(std::span<const uint8_t> bytes) {
  const FuzzBytes exact(bytes.begin(), bytes.end());  // of its own: a step beyond is seen
  if (!small(exact)) return;
  Image image;
  std::string error;
  if (!decode_image(exact.data(), exact.size(), &image, &error)) {
    if (error.empty()) abort();
    return;
  }
  if (image.pixels.size() != static_cast<size_t>(image.width) * static_cast<size_t>(image.height) *
                                 static_cast<size_t>(image.channels))
    abort();
  fit(image);
}

FuzzBytes bitmap() {  // 3 x 2 of 24 bits
  FuzzBytes b = to_bytes("BM");
  b.resize(14 + 40 + 24, 90);
  std::fill(b.begin() + 2, b.begin() + 54, uint8_t{0});
  b[2] = 78;
  b[10] = 54;
  b[14] = 40;
  b[18] = 3;
  b[22] = 2;
  b[26] = 1;
  b[28] = 24;
  return b;
}

std::vector<FuzzBytes> seeds() {
  return {to_bytes("P6 3 2 255 abcdefghijklmnopqr"), to_bytes("P5 4 2 255 abcdefgh"), bitmap()};
}

const FuzzTarget kTarget = {"picture", run, seeds, nullptr};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
