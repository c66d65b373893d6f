// The C face of tasks: bytes told beforehand, memory handed over, nothing allocated while running,
// and a status for everything that does not fit.

#include "models/heed_tasks.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/alloc_trap.h"
#include "tests/support/tiny_models.h"

using namespace heed::test;
using heed::DataType;

namespace {

constexpr uint32_t kSide = 8, kClasses = 5;

/// A picture of 8 x 8 to five classes: norm and one linear layer.
TinyModel picture_model() {
  TinyModel m(3);
  m.entry_point("main");
  const int32_t x = m.input("pixels", DataType::f32, {1, 3 * kSide * kSide});
  const int32_t y = m.arena("logits", {1, kClasses});
  m.linear("classes", m.norm_to_q8("norm", x), kClasses, {}, {y});
  m.output(y);
  m.plan();
  m.model.task = std::make_unique<heed::fb::TaskT>();
  m.model.task->kind = "image_classification";
  m.model.task->labels = {"ant", "bee", "cat", "dog", "eel"};
  m.model.task->image = std::make_unique<heed::fb::ImagePreprocessT>();
  m.model.task->image->width = m.model.task->image->height = kSide;
  m.model.task->image->resize_shorter = 10;
  m.model.task->image->mean = {0.5f, 0.4f, 0.3f};
  m.model.task->image->std = {0.2f, 0.2f, 0.3f};
  return m;
}

/// An open model that closes itself, with its bytes.
struct Opened {
  explicit Opened(TinyModel made) : bytes(made.bytes()) {
    heed::Diagnostic diagnostic;
    const heed::Status status = model.open(bytes.span(), &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(status == heed::Status::ok);
  }
  AlignedBytes bytes;
  heed::Model model;
};

std::vector<uint8_t> noise(size_t count) {
  std::vector<uint8_t> pixels(count);
  SeededRandom random(7);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random.next() >> 56);
  return pixels;
}

heed_status try_create(TinyModel made, heed_diagnostic* diagnostic,
                       const heed_task_options* options = nullptr) {
  const Opened opened(std::move(made));
  heed_image_classifier* classifier = nullptr;
  const heed_status status = heed_image_classifier_create(opened.model.get(), options, nullptr, 0,
                                                          &classifier, diagnostic);
  CHECK((classifier != nullptr) == (status == HEED_OK));
  heed_image_classifier_destroy(classifier);
  return status;
}

}  // namespace

TEST_CASE("an image classifier lives in the bytes that it told, and allocates nothing in a run") {
  const Opened opened(picture_model());
  size_t needed = 0;
  REQUIRE(heed_image_classifier_memory(opened.model.get(), nullptr, &needed, nullptr) == HEED_OK);
  AlignedBytes memory(needed + 64);
  std::memset(memory.data() + needed, 0x5a, 64);
  heed_image_classifier* classifier = nullptr;
  heed::Diagnostic diagnostic;
  CHECK(heed_image_classifier_create(opened.model.get(), nullptr, memory.data(), needed - 1,
                                     &classifier, &diagnostic) == HEED_MEMORY_TOO_SMALL);
  CHECK(diagnostic.expected == static_cast<int64_t>(needed));
  CHECK(heed_image_classifier_create(opened.model.get(), nullptr, memory.data() + 1, needed,
                                     &classifier, &diagnostic) == HEED_INVALID_ARGUMENT);
  REQUIRE(heed_image_classifier_create(opened.model.get(), nullptr, memory.data(), needed,
                                       &classifier, &diagnostic) == HEED_OK);
  const std::vector<uint8_t> pixels = noise(37 * 23 * 3);
  const heed_picture picture = {pixels.data(), 37, 23, 3, 0};
  heed_answer answers[kClasses + 1];
  int32_t count = 0;
  REQUIRE(AllocTrap::works());
  int64_t allocations = 0;
  {
    const AllocTrap trap;
    for (int i = 0; i < 3; ++i)
      heed_image_classifier_run(classifier, &picture, answers, kClasses + 1, &count, nullptr);
    allocations = trap.count();
  }
  CHECK(allocations == 0);
  REQUIRE(count == static_cast<int32_t>(kClasses));
  float sum = 0;
  int32_t classes = 0;
  const float* all = heed_image_classifier_probabilities(classifier, &classes);
  REQUIRE(classes == static_cast<int32_t>(kClasses));
  for (int32_t i = 0; i < count; ++i) {
    sum += answers[i].probability;
    CHECK(answers[i].probability == all[answers[i].index]);
    CHECK(std::string(answers[i].label) == heed_model_label(opened.model.get(), answers[i].index));
    if (i > 0) CHECK(answers[i].probability <= answers[i - 1].probability);
  }
  CHECK(std::abs(sum - 1.0f) < 1e-5f);
  heed_picture seen;
  heed_image_classifier_seen(classifier, &seen);
  CHECK(seen.width == static_cast<int32_t>(kSide));
  CHECK(seen.channels == 3);
  heed_image_classifier_destroy(classifier);
  for (size_t i = 0; i < 64; ++i) CHECK(memory.data()[needed + i] == std::byte{0x5a});
}

TEST_CASE("the classifier's answer is the model's on the same pixels, whatever the rest") {
  const Opened opened(picture_model());
  heed_image_classifier* classifier = nullptr;
  REQUIRE(heed_image_classifier_create(opened.model.get(), nullptr, nullptr, 0, &classifier,
                                       nullptr) == HEED_OK);
  // 10 x 10 needs no resizing: the middle 8 x 8 are taken as they are.
  const std::vector<uint8_t> pixels = noise(10 * 10 * 3);
  const heed_picture picture = {pixels.data(), 10, 10, 3, 0};
  heed_answer best{};
  REQUIRE(heed_image_classifier_run(classifier, &picture, &best, 1, nullptr, nullptr) == HEED_OK);
  heed::Session session;
  REQUIRE(session.create(opened.model) == heed::Status::ok);
  const auto input = session.input<float>();
  const float mean[] = {0.5f, 0.4f, 0.3f}, std[] = {0.2f, 0.2f, 0.3f};
  for (size_t c = 0; c < 3; ++c)
    for (size_t y = 0; y < kSide; ++y)
      for (size_t x = 0; x < kSide; ++x)
        input[(c * kSide + y) * kSide + x] =
            (static_cast<float>(pixels[((y + 1) * 10 + x + 1) * 3 + c]) / 255.0f - mean[c]) /
            std[c];
  REQUIRE(session.run() == heed::Status::ok);
  heed_tensor logits;
  REQUIRE(heed_session_output(heed_image_classifier_session(classifier), nullptr, nullptr,
                              &logits) == HEED_OK);
  CHECK(std::memcmp(logits.data, session.output<float>().data(), logits.bytes) == 0);
  const auto expected = session.output<float>();
  CHECK(best.index == std::max_element(expected.begin(), expected.end()) - expected.begin());
  heed_image_classifier_destroy(classifier);
}

TEST_CASE("a task that does not fit its model, or its input, is refused with a reason") {
  heed::Diagnostic diagnostic;
  TinyModel bare = picture_model();
  bare.model.task->image.reset();
  CHECK(try_create(std::move(bare), &diagnostic) == HEED_NOT_FOUND);
  TinyModel small = picture_model();
  small.model.task->image->width = 7;
  CHECK(try_create(std::move(small), &diagnostic) == HEED_BAD_MODEL);
  CHECK(diagnostic.text().find("pixels") != std::string::npos);
  TinyModel mean = picture_model();
  mean.model.task->image->mean = {1, 2, 3, 4};
  CHECK(try_create(std::move(mean), &diagnostic) == HEED_BAD_MODEL);
  TinyModel filter = picture_model();
  filter.model.task->image->resample = 9;
  CHECK(try_create(std::move(filter), &diagnostic) == HEED_BAD_MODEL);
  heed_task_options options{};
  options.entry_point = "decode";
  CHECK(try_create(picture_model(), &diagnostic, &options) == HEED_NOT_FOUND);
  CHECK(diagnostic.text().find("decode") != std::string::npos);
  options = {};
  options.picture_side_max = HEED_PICTURE_SIDE_MAX + 1;
  CHECK(try_create(picture_model(), &diagnostic, &options) == HEED_INVALID_ARGUMENT);
  options.picture_side_max = 16;
  const Opened opened(picture_model());
  heed_image_classifier* classifier = nullptr;
  REQUIRE(heed_image_classifier_create(opened.model.get(), &options, nullptr, 0, &classifier,
                                       nullptr) == HEED_OK);
  const std::vector<uint8_t> pixels = noise(17 * 3);
  const heed_picture wide = {pixels.data(), 17, 1, 3, 0}, none = {nullptr, 4, 4, 3, 0};
  CHECK(heed_image_classifier_run(classifier, &wide, nullptr, 0, nullptr, &diagnostic) ==
        HEED_LIMIT_EXCEEDED);
  CHECK(diagnostic.actual == 17);
  CHECK(heed_image_classifier_run(classifier, &none, nullptr, 0, nullptr, nullptr) ==
        HEED_INVALID_ARGUMENT);
  CHECK(heed_image_classifier_run(nullptr, &wide, nullptr, 0, nullptr, nullptr) ==
        HEED_INVALID_ARGUMENT);
  heed_image_classifier_destroy(classifier);
  heed_image_classifier_destroy(nullptr);
}

TEST_CASE("a picture file is read to RGB, and one that is missing or none is named") {
  heed_picture picture;
  heed::Diagnostic diagnostic;
  const std::string digits = std::string(HEED_SOURCE_DIR) + "/models/demo/digits.png";
  REQUIRE(heed_picture_read_file(digits.c_str(), &picture, &diagnostic) == HEED_OK);
  CHECK(picture.channels == 3);
  CHECK(picture.pixels != nullptr);
  heed_picture_free(&picture);
  CHECK(picture.pixels == nullptr);
  CHECK(heed_picture_read_file("/nowhere/at/all.png", &picture, &diagnostic) == HEED_IO_ERROR);
  CHECK(diagnostic.text().find("/nowhere/at/all.png") != std::string::npos);
  const std::string text = std::string(HEED_SOURCE_DIR) + "/README.md";
  CHECK(heed_picture_read_file(text.c_str(), &picture, &diagnostic) == HEED_BAD_INPUT);
  CHECK(diagnostic.text().find("README.md") != std::string::npos);
}
