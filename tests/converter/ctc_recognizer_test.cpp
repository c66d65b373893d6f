// From a sound to characters with a tiny wav2vec 2.0 of made-up weights: its words mean nothing,
// but its scores are those of transformers, and long sounds are heard in windows that overlap.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/ctc_recognizer.h"
#include "models/decode/whisper_rules.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using Catch::Matchers::ContainsSubstring;
using heed::CtcRecognizer;
using heed::SpeechOptions;
using heed::SpokenSegment;

constexpr size_t kHop = 20, kLabels = 12, kSamples = 1200, kFrames = 59;

/// In float32, as it is: the waveform is not normalised.
struct TinyWave {
  heed::test::FamilyGolden golden;
  heed::test::TemporaryFolder folder;
  heed::Model model;

  explicit TinyWave(const std::string& name = "wav2vec2", bool masked = false,
                    size_t samples = kSamples)
      : golden(heed::test::read_family_golden(name)) {
    golden.files["preprocessor_config.json"] =
        std::string(R"({"do_normalize": false, "return_attention_mask": )") +
        (masked ? "true}" : "false}");
    golden.write_folder(folder.file("checkpoint"));
    heed::ConvertOptions options;
    options.output = folder.file("wave.heed");
    options.dims = {{"samples", static_cast<int64_t>(samples)}};
    options.keep_float = {"*"};
    options.random_samples = 0;
    heed::convert(folder.file("checkpoint"), options);
    REQUIRE(model.open(options.output.c_str()) == heed::Status::ok);
  }

  std::string error_of(const SpeechOptions& options) const {
    CtcRecognizer recognizer;
    std::string error;
    CHECK_FALSE(recognizer.create(model.get(), heed_options{}, options, &error));
    return error;
  }
};

std::vector<SpokenSegment> said_of(const TinyWave& wave, const SpeechOptions& options,
                                   const std::vector<float>& samples, CtcRecognizer* recognizer) {
  std::string error;
  std::vector<SpokenSegment> segments;
  INFO(error);
  REQUIRE(recognizer->create(wave.model.get(), heed_options{}, options, &error));
  REQUIRE(recognizer->recognize(samples.data(), samples.size(), &segments, &error));
  return segments;
}

void check_row(const float* scores, const float* logits) {
  std::vector<float> row(logits, logits + kLabels);
  heed::log_softmax_in_place(row.data(), kLabels);
  for (size_t i = 0; i < kLabels; ++i) CHECK(std::abs(scores[i] - row[i]) < 1e-4f);
}

void check_words(const std::vector<SpokenSegment>& segments) {
  REQUIRE_FALSE(segments.empty());
  double before_s = 0;
  for (const SpokenSegment& segment : segments) {
    CHECK(segment.begin_s >= before_s);
    CHECK((segment.end_s > segment.begin_s && segment.end_s <= 0.5));
    std::string text;
    for (const heed::SpokenWord& word : segment.words) {
      CHECK((word.begin_s >= before_s && word.end_s > word.begin_s));
      before_s = word.begin_s;
      text += word.text;
    }
    CHECK(text == segment.text);
    before_s = segment.end_s;
  }
}

}  // namespace

TEST_CASE("a CTC model's scores of a sound are transformers'") {
  TinyWave wave;
  CtcRecognizer recognizer;
  said_of(wave, {}, heed::test::formula("input_values", kSamples), &recognizer);
  const std::vector<float>& logits = wave.golden.outputs[0].floats;
  REQUIRE(recognizer.scores().size() == logits.size());
  for (size_t f = 0; f < kFrames; ++f)
    check_row(recognizer.scores().data() + f * kLabels, logits.data() + f * kLabels);
}

TEST_CASE("a long sound is scored frame by frame from windows that hear both sides of each") {
  TinyWave wave;
  CtcRecognizer recognizer;
  const std::vector<float> samples = heed::test::formula("long", 5000);
  said_of(wave, {}, samples, &recognizer);
  const size_t frames = (samples.size() - 30) / kHop + 1, context = kFrames / 4;
  REQUIRE(recognizer.scores().size() == frames * kLabels);
  heed_session* session = recognizer.session();
  heed_tensor input{}, output{};
  REQUIRE(heed_session_input(session, nullptr, nullptr, &input) == HEED_OK);
  REQUIRE(heed_session_output(session, nullptr, nullptr, &output) == HEED_OK);
  // The second window begins so that its frame `context` is the first that the first one left.
  const size_t first = kFrames - 2 * context;
  std::copy_n(samples.data() + first * kHop, kSamples, static_cast<float*>(input.data));
  REQUIRE(heed_session_run(session, nullptr, nullptr) == HEED_OK);
  const float* logits = static_cast<const float*>(output.data);
  for (const size_t f : {context, context + 1, kFrames - context - 1})
    check_row(recognizer.scores().data() + (first + f) * kLabels, logits + f * kLabels);
}

TEST_CASE("CTC segments and words come in the order of the sound, and a beam is no less probable") {
  TinyWave wave;
  CtcRecognizer greedy, beam;
  const std::vector<float> samples = heed::test::formula("sound", 8000);
  SpeechOptions options;
  options.words = true;
  const auto segments = said_of(wave, options, samples, &greedy);
  check_words(segments);
  options.beams = 8;
  const auto followed = said_of(wave, options, samples, &beam);
  check_words(followed);
  REQUIRE(followed.size() == segments.size());
  for (size_t i = 0; i < segments.size(); ++i)
    CHECK(followed[i].mean_log_probability >= segments[i].mean_log_probability - 1e-5f);
  std::vector<SpokenSegment> none;
  std::string error;
  CHECK(beam.recognize(samples.data(), 29, &none, &error));  // shorter than a frame
  CHECK(none.empty());
}

TEST_CASE("where a checkpoint masks its padding, a short sound is scored as if alone") {
  const std::string name =
      GENERATE("wav2vec2_stable", "wav2vec2_conformer_relative", "wav2vec2_conformer_rotary");
  INFO(name);
  const std::vector<float> samples = heed::test::formula("sound", 700);
  TinyWave masked(name, true), plain(name);
  CtcRecognizer with, without, alone;
  said_of(masked, {}, samples, &with);
  said_of(plain, {}, samples, &without);
  TinyWave exact(name, false, samples.size());
  said_of(exact, {}, samples, &alone);
  REQUIRE(with.scores().size() == alone.scores().size());
  float worst = 0, unmasked = 0;
  for (size_t i = 0; i < alone.scores().size(); ++i) {
    worst = std::max(worst, std::abs(with.scores()[i] - alone.scores()[i]));
    unmasked = std::max(unmasked, std::abs(without.scores()[i] - alone.scores()[i]));
  }
  CHECK(worst < 2e-5f);
  CHECK(unmasked > 1e-3f);
}

TEST_CASE("what a CTC model cannot do is said") {
  TinyWave wave;
  SpeechOptions options;
  options.language = "de";
  CHECK_THAT(wave.error_of(options), ContainsSubstring("one language"));
  options = {};
  options.attention = true;
  CHECK_THAT(wave.error_of(options), ContainsSubstring("no attention"));
  options = {};
  options.beams = 65;
  CHECK_THAT(wave.error_of(options), ContainsSubstring("between 1 and 64"));
}
