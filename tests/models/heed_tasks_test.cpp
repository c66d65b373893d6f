// The C face of tasks: bytes told beforehand, memory handed over, nothing allocated while running,
// and a status for everything that does not fit.

#include "models/heed_tasks.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
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
  const std::string digits = HEED_SOURCE_DIR "/models/demo/digits.png";
  REQUIRE(heed_picture_read_file(digits.c_str(), &picture, &diagnostic) == HEED_OK);
  CHECK(picture.channels == 3);
  CHECK(picture.pixels != nullptr);
  heed_picture_free(&picture);
  CHECK(picture.pixels == nullptr);
  CHECK(heed_picture_read_file("/nowhere/at/all.png", &picture, &diagnostic) == HEED_IO_ERROR);
  CHECK(diagnostic.text().find("/nowhere/at/all.png") != std::string::npos);
  const std::string text = HEED_SOURCE_DIR "/README.md";
  CHECK(heed_picture_read_file(text.c_str(), &picture, &diagnostic) == HEED_BAD_INPUT);
  CHECK(diagnostic.text().find("README.md") != std::string::npos);
}

namespace {

/// The pixels themselves are the scores: a copy.
TinyModel copy_model(const std::string& kind) {
  TinyModel m(4);
  m.entry_point("main");
  const int32_t x = m.input("pixels", DataType::f32, {1, 3, kSide, kSide});
  const int32_t y = m.arena("scores", {1, 3, kSide, kSide});
  m.op("copy", heed::fb::CopyOptionsT{}, {x}, {y});
  m.output(y);
  m.model.task = std::make_unique<heed::fb::TaskT>();
  m.model.task->kind = kind;
  m.model.task->labels = {"red", "green", "blue"};
  m.model.task->image = std::make_unique<heed::fb::ImagePreprocessT>();
  m.model.task->image->width = m.model.task->image->height = kSide;
  return m;
}

TinyModel segmentation_model() {
  TinyModel m = copy_model("image_segmentation");
  m.model.task->segmentation = std::make_unique<heed::fb::SegmentationT>();
  m.plan();
  return m;
}

/// Queries whose scores and boxes are constants, passed on: two boxes of a class that overlap, one
/// of another, one of nothing and one below the threshold.
TinyModel detection_model(float overlap_max) {
  TinyModel m = copy_model("object_detection");
  const float scores[] = {9, 0, 0, 8, 0, 0, 0, 8.5f, 0, 0, 0, 9, 0.1f, 0, 0.1f};
  const float boxes[] = {0.5f,  0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.45f, 0.25f, 0.75f,
                         0.75f, 0.5f, 0.5f, 0.5f, 1,    1,    0.5f, 0.5f,  1,     1};
  for (const auto& [name, shape, values] :
       {std::tuple{"logits", Dims{1, 5, 3}, scores}, {"boxes", Dims{1, 5, 4}, boxes}}) {
    const int32_t from = m.constant(name + std::string(".from"), DataType::f32, shape, values);
    const int32_t to = m.arena(name, shape);
    m.op(name, heed::fb::CopyOptionsT{}, {from}, {to});
    m.output(to);
  }
  m.model.task->objects = std::make_unique<heed::fb::ObjectDetectionT>();
  m.model.task->objects->scores_output = "logits";
  m.model.task->objects->boxes_output = "boxes";
  m.model.task->objects->overlap_max = overlap_max;
  m.plan();
  return m;
}

}  // namespace

TEST_CASE("a segmenter gives every pixel of the picture the class with the highest score") {
  const Opened opened(segmentation_model());
  size_t needed = 0;
  REQUIRE(heed_segmenter_memory(opened.model.get(), nullptr, &needed, nullptr) == HEED_OK);
  AlignedBytes memory(needed);
  heed_segmenter* segmenter = nullptr;
  REQUIRE(heed_segmenter_create(opened.model.get(), nullptr, memory.data(), needed, &segmenter,
                                nullptr) == HEED_OK);
  CHECK(heed_segmenter_classes(segmenter) == 3);
  // Left half green, right half blue, twice as large as the model's input.
  std::vector<uint8_t> pixels(16 * 16 * 3), mask(16 * 16);
  for (size_t i = 0; i < 256; ++i) pixels[3 * i + (i % 16 < 8 ? 1 : 2)] = 255;
  const heed_picture picture = {pixels.data(), 16, 16, 3, 0};
  heed::Diagnostic diagnostic;
  CHECK(heed_segmenter_run(segmenter, &picture, mask.data(), 255, &diagnostic) ==
        HEED_MEMORY_TOO_SMALL);
  int64_t allocations = 0;
  {
    const AllocTrap trap;
    heed_segmenter_run(segmenter, &picture, mask.data(), mask.size(), nullptr);
    allocations = trap.count();
  }
  CHECK(allocations == 0);
  for (size_t i = 0; i < 256; ++i) REQUIRE(mask[i] == (i % 16 < 8 ? 1 : 2));
  heed_segmenter_destroy(segmenter);
  CHECK(try_create(segmentation_model(), &diagnostic) == HEED_OK);
  heed_detector* detector = nullptr;
  CHECK(heed_detector_create(opened.model.get(), nullptr, nullptr, 0, &detector, &diagnostic) ==
        HEED_NOT_FOUND);
}

TEST_CASE("a detector gives boxes in the picture's pixels, the most probable first") {
  const float overlap_max = GENERATE(0.0f, 0.5f);
  const Opened opened(detection_model(overlap_max));
  heed_detector* detector = nullptr;
  heed::Diagnostic diagnostic;
  const heed_status created =
      heed_detector_create(opened.model.get(), nullptr, nullptr, 0, &detector, &diagnostic);
  INFO(diagnostic.text());
  REQUIRE(created == HEED_OK);
  const std::vector<uint8_t> pixels = noise(40 * 20 * 3);
  const heed_picture picture = {pixels.data(), 40, 20, 3, 0};
  heed_box boxes[5] = {};
  int32_t count = 0;
  int64_t allocations = 0;
  {
    const AllocTrap trap;
    heed_detector_run(detector, &picture, boxes, 5, &count, nullptr);
    allocations = trap.count();
  }
  CHECK(allocations == 0);
  REQUIRE(count == (overlap_max == 0 ? 3 : 2));
  CHECK(boxes[0].query == 0);
  CHECK(boxes[0].left == 10.0f);
  CHECK(boxes[0].top == 5.0f);
  CHECK(boxes[0].right == 30.0f);
  CHECK(boxes[0].bottom == 15.0f);
  CHECK(std::string(boxes[0].label) == "red");
  CHECK(boxes[1].query == 2);
  CHECK(std::string(boxes[1].label) == "green");
  CHECK(boxes[1].left == 0.0f);
  if (count == 3) CHECK(boxes[2].query == 1);
  CHECK(heed_detector_run(detector, &picture, boxes, 1, &count, nullptr) == HEED_OK);
  CHECK(count == (overlap_max == 0 ? 3 : 2));
  heed_detector_destroy(detector);
  heed_task_options options{};
  options.threshold = 0.3f;
  REQUIRE(heed_detector_create(opened.model.get(), &options, nullptr, 0, &detector, nullptr) ==
          HEED_OK);
  CHECK(heed_detector_run(detector, &picture, boxes, 5, &count, nullptr) == HEED_OK);
  CHECK(count == (overlap_max == 0 ? 4 : 3));
  heed_detector_destroy(detector);
}
