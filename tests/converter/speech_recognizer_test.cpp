// From a sound to what was said, with a tiny Whisper of made-up weights: its words mean nothing,
// but they are those that transformers says.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/speech_recognizer.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using Catch::Matchers::ContainsSubstring;
using heed::SpeechOptions;
using heed::SpeechRecognizer;
using heed::SpokenSegment;
using heed::test::FamilyGolden;

struct TinyWhisper {
  explicit TinyWhisper(const char* name = "whisper")
      : golden(heed::test::read_family_golden(name)) {}
  FamilyGolden golden;
  heed::test::TemporaryFolder folder;
  heed::Model model;

  void convert(int64_t beams, bool quantised = false) {
    golden.write_folder(folder.path().string());
    heed::ConvertOptions options;
    options.output = folder.file("whisper.heed");
    options.dims = {{"beams", beams}};
    if (!quantised) options.keep_float = {"*"};
    options.random_samples = 0;
    heed::convert(folder.path().string(), options);
    REQUIRE(model.open(options.output.c_str()) == heed::Status::ok);
  }

  std::vector<int32_t> output(const std::string& name) const {
    const auto found = std::find_if(golden.outputs.begin(), golden.outputs.end(),
                                    [&](const auto& output) { return output.name == name; });
    return {found->floats.begin(), found->floats.end()};
  }
};

std::vector<float> sound(size_t count) {
  std::vector<float> samples = heed::test::formula("sound", count);
  for (float& sample : samples) sample *= 0.1f;
  return samples;
}

std::string error_of(const TinyWhisper& whisper, const SpeechOptions& options) {
  SpeechRecognizer recognizer;
  std::string error;
  CHECK_FALSE(recognizer.create(whisper.model.get(), heed_options{}, options, &error));
  return error;
}

/// What is said of two seconds, without the end.
SpeechRecognizer::Said said_of(const TinyWhisper& whisper, const SpeechOptions& options) {
  SpeechRecognizer recognizer;
  std::string error;
  INFO(error);
  REQUIRE(recognizer.create(whisper.model.get(), heed_options{}, options, &error));
  const std::vector<float> samples = sound(32000);
  std::vector<SpokenSegment> segments;
  REQUIRE(recognizer.encode(samples.data(), samples.size(), &error));
  REQUIRE(recognizer.find_language(&error));
  SpeechRecognizer::Said said;
  REQUIRE(recognizer.decode(0, &said, &error));
  return said;
}

using Tokens = std::vector<int32_t>;

/// What is said of the beginning of a sound, in windows of two seconds; *previous: what the next
/// would be told.
Tokens said_of_windows(const TinyWhisper& whisper, const SpeechOptions& options, size_t samples,
                       Tokens* previous = nullptr) {
  SpeechRecognizer recognizer;
  std::string error;
  INFO(error);
  REQUIRE(recognizer.create(whisper.model.get(), heed_options{}, options, &error));
  const std::vector<float> heard = sound(samples);
  std::vector<SpokenSegment> segments;
  REQUIRE(recognizer.recognize(heard.data(), heard.size(), &segments, &error));
  Tokens tokens;
  for (const SpokenSegment& segment : segments)
    tokens.insert(tokens.end(), segment.tokens.begin(), segment.tokens.end());
  if (previous != nullptr)
    previous->assign(recognizer.previous().begin(), recognizer.previous().end());
  return tokens;
}

SpeechOptions long_options() {
  SpeechOptions options;
  options.language = "en";
  options.fallback = false;
  options.no_speech_max = 1;
  options.tokens_max = 20;
  return options;
}

}  // namespace

TEST_CASE("windows of a long sound go on from the text before them, in transformers' tokens") {
  constexpr size_t kSamples = 6 * 16000, kShort = 60800, kPreviousMax = 31;
  for (const int64_t beams : {1, 3}) {
    INFO("room for " << beams);
    TinyWhisper whisper("whisper_long");
    whisper.convert(beams);
    SpeechOptions options = long_options();
    Tokens previous;
    const Tokens connected = said_of_windows(whisper, options, kShort, &previous);
    CHECK(connected == whisper.output("connected"));
    const auto last = static_cast<ptrdiff_t>(std::min(connected.size(), kPreviousMax));
    CHECK(previous == Tokens(connected.end() - last, connected.end()));
    options.prompt = "\n the quick fox ";
    const Tokens prompted = said_of_windows(whisper, options, kSamples, &previous);
    CHECK(prompted == whisper.output("prompted"));
    CHECK(previous == Tokens(prompted.end() - kPreviousMax, prompted.end()));
    options.prompt.clear();
    options.previous_text = false;
    CHECK(said_of_windows(whisper, options, kSamples, &previous) == whisper.output("alone"));
    CHECK(previous.empty());
  }
}

TEST_CASE("the second window is told what the first said, unless that is not to be trusted") {
  TinyWhisper whisper("whisper_long");
  whisper.convert(1, true);
  SpeechOptions options = long_options();
  options.prompt = "fox";
  Tokens previous;
  const Tokens first = said_of_windows(whisper, options, 2 * 16000, &previous);
  REQUIRE_FALSE(first.empty());
  REQUIRE(previous.size() > first.size());
  CHECK(std::equal(first.begin(), first.end(),
                   previous.end() - static_cast<ptrdiff_t>(first.size())));
  options.fallback = true;
  options.mean_log_probability_min = 1;  // never: the last temperature is taken
  CHECK_FALSE(said_of_windows(whisper, options, 2 * 16000, &previous).empty());
  CHECK(previous.empty());
  options.prompt = std::string(100, 'a');  // half of the caches at most
  options.fallback = false;
  CHECK_FALSE(said_of_windows(whisper, options, 2 * 16000, &previous).empty());
  CHECK(previous.size() == 31);
}

TEST_CASE("Whisper writes down a sound in transformers' tokens, with and without timestamps") {
  TinyWhisper whisper;
  whisper.convert(1);
  SpeechOptions options;
  options.timestamps = false;
  const auto heard = said_of(whisper, options);
  CHECK(heard.tokens == whisper.output("heard"));
  options.language = "de";
  CHECK(said_of(whisper, options).tokens == whisper.output("written"));
  options.timestamps = true;
  std::vector<int32_t> timed = said_of(whisper, options).tokens, golden = whisper.output("timed");
  golden.resize(std::min(golden.size(), timed.size()));  // transformers allows one token more
  CHECK(timed.size() >= 16);
  CHECK(timed == golden);
}

TEST_CASE("a beam finds a text at least as probable as the greedy one, in float32 and in int8") {
  for (const bool quantised : {false, true}) {
    INFO("quantised " << quantised);
    TinyWhisper whisper;
    whisper.convert(3, quantised);
    SpeechOptions options;
    options.language = "en";
    const auto greedy = said_of(whisper, options);
    options.beams = 3;
    const auto beam = said_of(whisper, options);
    CHECK(beam.mean_log_probability >= greedy.mean_log_probability - 1e-6);
    CHECK_FALSE(beam.tokens.empty());
    options.beams = 4;
    CHECK_THAT(error_of(whisper, options), ContainsSubstring("--dim beams=N"));
  }
}

TEST_CASE("a long sound becomes segments and words in the order in which they were said") {
  TinyWhisper whisper;
  whisper.convert(1, true);
  SpeechOptions options;
  options.words = options.attention = true;
  options.language = "fr";
  options.no_speech_max = 1;
  SpeechRecognizer recognizer;
  std::string error;
  REQUIRE(recognizer.create(whisper.model.get(), heed_options{}, options, &error));
  const std::vector<float> samples = sound(5 * 16000);
  std::vector<SpokenSegment> segments;
  REQUIRE(recognizer.recognize(samples.data(), samples.size(), &segments, &error));
  CHECK(recognizer.language() == "fr");
  REQUIRE(segments.size() >= 3);  // windows of two seconds
  double before_s = 0;
  for (const SpokenSegment& segment : segments) {
    CHECK(segment.begin_s >= before_s);
    CHECK((segment.end_s >= segment.begin_s && segment.end_s <= 5.0));
    CHECK_FALSE(segment.text.empty());
    before_s = segment.begin_s;
    REQUIRE_FALSE(segment.words.empty());
    std::string text;
    double word_s = 0;
    float looked = 0;  // each token's attention sums to 1
    for (const heed::SpokenWord& word : segment.words) {
      CHECK(word.heard_s <= word.begin_s);
      for (const float weight : word.attention) looked += weight;
      CHECK((word.begin_s >= word_s && word.end_s >= word.begin_s && word.end_s <= 5.0));
      word_s = word.begin_s;
      text += word.text;
    }
    CHECK(text == segment.text);
    CHECK(looked > 0.9f);
  }
}

TEST_CASE("a Whisper's encoders use one arena in turn, and its words are stored once") {
  TinyWhisper whisper;
  // Six seconds at most, so that there are two encoders, and a table of words worth int8.
  const auto resize = [&](const std::string& key, const std::string& size, const char* tensor,
                          int64_t rows) {
    std::string& config = whisper.golden.files["config.json"];
    config.replace(config.find(key), key.size() + size.size(), key + std::to_string(rows));
    for (heed::test::GoldenValue& weight : whisper.golden.tensors)
      if (weight.name.ends_with(tensor)) {
        weight.shape[0] = rows;
        weight.floats = heed::test::formula(tensor, static_cast<size_t>(rows) * 32);
      }
  };
  resize("\"max_source_positions\": ", "100", "encoder.embed_positions.weight", 300);
  resize("\"vocab_size\": ", "171", "embed_tokens.weight", 2100);
  whisper.convert(1, true);
  uint64_t sum = 0, largest = 0;
  heed_entry_point entry{};
  for (int32_t e = 0; heed_model_entry_point(whisper.model.get(), e, &entry) == HEED_OK; ++e) {
    const bool encodes = std::string(entry.name) != "decode_step";
    CHECK((entry.shared_arena != 0) == encodes);
    if (encodes) sum += entry.arena_bytes, largest = std::max(largest, entry.arena_bytes);
  }
  CHECK(sum > largest);  // 5 and 6 seconds, and the text before them
  size_t needed = 0;
  REQUIRE(heed_memory_needed(whisper.model.get(), nullptr, &needed, nullptr) == HEED_OK);
  heed_info info{};
  heed_model_info(whisper.model.get(), &info);
  CHECK(needed < static_cast<size_t>(info.state_bytes) + sum + largest);
  heed_tensor tensor{};
  std::vector<uint64_t> places;  // of the words, in blocks of 16
  for (int32_t i = 0; heed_model_tensor(whisper.model.get(), i, &tensor) == HEED_OK; ++i)
    if (tensor.type == HEED_I8 && tensor.rank == 4 && tensor.dims[0] == 132)
      places.push_back(tensor.offset);
  CHECK(places.size() == 3);
  CHECK(std::all_of(places.begin(), places.end(), [&](uint64_t p) { return p == places[0]; }));
}

TEST_CASE("what speech needs and a model does not have is said") {
  TinyWhisper whisper;
  SECTION("a language that it does not know") {
    whisper.convert(1);
    SpeechOptions options;
    options.language = "xx";
    CHECK_THAT(error_of(whisper, options), ContainsSubstring("the language 'xx'"));
  }
  SECTION("texts before the sound, without a tokenizer") {
    whisper.golden.files.erase("tokenizer.json");
    whisper.convert(1);
    SpeechOptions options;
    options.prompt = "a fox";
    CHECK_THAT(error_of(whisper, options), ContainsSubstring("no text that was said before"));
  }
  SECTION("special tokens outside of its vocabulary") {
    std::string& config = whisper.golden.files["generation_config.json"];
    const std::string token = "\"no_timestamps_token_id\": 69";
    REQUIRE(config.find(token) != std::string::npos);
    config.replace(config.find(token), token.size(), "\"no_timestamps_token_id\": 170");
    whisper.convert(1);
    CHECK_THAT(error_of(whisper, {}), ContainsSubstring("not in its vocabulary"));
  }
}

TEST_CASE("subtitles have the clocks of their kinds") {
  std::vector<SpokenSegment> segments(2);
  segments[0].end_s = 1.5;
  segments[0].text = " And so,";
  segments[1].begin_s = 3661.25;
  segments[1].end_s = 3662;
  segments[1].text = "my fellow Americans";
  CHECK(heed::subtitles_srt(segments) ==
        "1\n00:00:00,000 --> 00:00:01,500\nAnd so,\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\nmy fellow Americans\n\n");
  CHECK(heed::subtitles_vtt(segments) ==
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nAnd so,\n\n"
        "01:01:01.250 --> 01:01:02.000\nmy fellow Americans\n\n");
}
