// From a sound to word pieces with a tiny Parakeet of made-up weights: features, scores and tokens
// are transformers', of sounds shorter than the entry point as well.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/ctc_recognizer.h"
#include "models/task_info.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::test::GoldenValue;

constexpr size_t kSamples = 663, kHop = 16, kFactor = 4, kLabels = 30;

struct TinyParakeet {
  heed::test::FamilyGolden golden = heed::test::read_family_golden("parakeet");
  heed::test::TemporaryFolder folder;
  heed::Model model;

  explicit TinyParakeet(const std::vector<std::string>& keep_float = {"*"}) {
    golden.write_folder(folder.file("checkpoint"));
    heed::ConvertOptions options;
    options.output = folder.file("parakeet.heed");
    options.dims = golden.dims;
    options.keep_float = keep_float;
    options.random_samples = 0;
    heed::convert(folder.file("checkpoint"), options);
    REQUIRE(model.open(options.output.c_str()) == heed::Status::ok);
  }

  const std::vector<float>& output(const std::string& name) const {
    return std::find_if(golden.outputs.begin(), golden.outputs.end(),
                        [&](const GoldenValue& v) { return v.name == name; })
        ->floats;
  }

  std::vector<float> sound(size_t count = kSamples) const {
    std::vector<float> samples = heed::test::formula("sound", count);
    for (float& x : samples) x *= 0.1f;
    return samples;
  }

  /// Of a sound, the segments; the recogniser keeps the scores.
  std::vector<heed::SpokenSegment> hear(heed::CtcRecognizer* recognizer,
                                        const std::vector<float>& samples,
                                        const heed::SpeechOptions& options = {}) const {
    std::string error;
    std::vector<heed::SpokenSegment> segments;
    const bool made = recognizer->create(model.get(), heed_options{}, options, &error);
    INFO(error);
    REQUIRE(made);
    REQUIRE(recognizer->recognize(samples.data(), samples.size(), &segments, &error));
    return segments;
  }
};

double largest_difference(const float* a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t i = 0; i < b.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

}  // namespace

TEST_CASE("a Parakeet folder gives transformers' scores of the frames that are there") {
  TinyParakeet tiny;
  heed_session* session = nullptr;
  REQUIRE(heed_session_create(tiny.model.get(), nullptr, nullptr, 0, &session, nullptr) == HEED_OK);
  heed_tensor tensor{};
  REQUIRE(heed_session_input(session, "main", "input_features", &tensor) == HEED_OK);
  std::memcpy(tensor.data, tiny.golden.inputs[0].floats.data(), tensor.bytes);
  REQUIRE(heed_session_input(session, "main", "attention_mask", &tensor) == HEED_OK);
  std::memcpy(tensor.data, tiny.golden.inputs[1].integers.data(), tensor.bytes);
  REQUIRE(heed_session_run(session, "main", nullptr) == HEED_OK);
  REQUIRE(heed_session_output(session, "main", "logits", &tensor) == HEED_OK);
  CHECK(largest_difference(static_cast<const float*>(tensor.data), tiny.output("logits")) < 1e-4);
  heed_session_destroy(session);
}

TEST_CASE("Parakeet's features of a sound are transformers'") {
  const TinyParakeet tiny;
  heed::AudioTask audio;
  REQUIRE(heed::audio_task(*tiny.model.get(), &audio));
  heed::AudioFrontend frontend;
  std::string error;
  REQUIRE(frontend.create(audio.frontend, heed::detect_isa(), &error));
  REQUIRE(frontend.frames() == 48);
  REQUIRE(frontend.features() == 16);
  std::vector<float> features(48 * 16, 1.0f);
  frontend.compute(tiny.sound().data(), kSamples, features.data());
  const std::vector<float>& wanted = tiny.output("features");
  CHECK(frontend.frames_in(kSamples) == 41);
  REQUIRE(wanted.size() == 41 * 16);
  CHECK(largest_difference(features.data(), wanted) < 1e-3);
  for (size_t i = wanted.size(); i < features.size(); ++i) CHECK(features[i] == 0.0f);
}

TEST_CASE("what Parakeet hears in a sound are transformers' tokens, in words") {
  const TinyParakeet tiny;
  heed::CtcRecognizer greedy, beam;
  heed::SpeechOptions options;
  options.words = true;
  const auto segments = tiny.hear(&greedy, tiny.sound(), options);
  const std::vector<float>& scores = tiny.output("scores");
  REQUIRE(greedy.scores().size() == scores.size());
  CHECK(largest_difference(greedy.scores().data(), scores) < 1e-3);
  std::vector<float> said;
  for (const heed::SpokenSegment& segment : segments) {
    said.insert(said.end(), segment.tokens.begin(), segment.tokens.end());
    CHECK(segment.text.find("  ") == std::string::npos);
    CHECK((segment.text.front() != ' ' && segment.text.back() != ' '));
    std::string text;
    for (const heed::SpokenWord& word : segment.words) text += word.text;
    CHECK(text == segment.text);
  }
  CHECK(said == tiny.output("said"));
  options.words = false;
  options.beams = 8;
  const auto followed = tiny.hear(&beam, tiny.sound(), options);
  REQUIRE(followed.size() == segments.size());
  for (size_t i = 0; i < segments.size(); ++i)
    CHECK(followed[i].mean_log_probability >= segments[i].mean_log_probability - 1e-5f);
}

TEST_CASE("of a sound of several windows Parakeet hears features of the whole") {
  const TinyParakeet tiny;
  heed::CtcRecognizer recognizer;
  const size_t samples = 2500;
  tiny.hear(&recognizer, tiny.sound(samples));
  const size_t rows = (samples / kHop + kFactor - 1) / kFactor;
  const std::vector<float>& wanted = tiny.output("long");
  REQUIRE(wanted.size() == rows * kLabels);
  REQUIRE(recognizer.scores().size() == wanted.size());
  CHECK(largest_difference(recognizer.scores().data(), wanted) < 1e-3);
}

TEST_CASE("Parakeet in int8 keeps most of the scores' signal") {
  const TinyParakeet tiny(std::vector<std::string>{});
  heed::CtcRecognizer recognizer;
  tiny.hear(&recognizer, tiny.sound());
  const std::vector<float>& scores = tiny.output("scores");
  REQUIRE(recognizer.scores().size() == scores.size());
  double signal = 0, noise = 0, mean = 0;
  for (const float s : scores) mean += static_cast<double>(s) / static_cast<double>(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    signal += std::pow(static_cast<double>(scores[i]) - mean, 2);
    noise +=
        std::pow(static_cast<double>(scores[i]) - static_cast<double>(recognizer.scores()[i]), 2);
  }
  CHECK(10 * std::log10(signal / noise) > 20);
}
