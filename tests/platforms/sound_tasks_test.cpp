// heed_sound_listener and heed_speech_recognizer: what the demo says, what the C++ recogniser says,
// nothing allocated while a stream is heard, and a status for what does not fit.

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/heed_tasks.h"
#include "models/speech_recognizer.h"
#include "tests/support/alloc_trap.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::test::AllocTrap;

std::string demo_file(const char* name) {
  return (std::filesystem::path(HEED_SOURCE_DIR) / "models/demo" / name).string();
}

struct Made {
  heed::test::TemporaryFolder folder;
  heed::Model model;

  void convert(const std::string& source, heed::ConvertOptions options) {
    options.output = folder.file("model.heed");
    options.random_samples = 0;
    heed::convert(source, options);
    REQUIRE(model.open(options.output.c_str()) == heed::Status::ok);
  }
  void keywords() {
    std::ifstream in(demo_file("keywords.task.json"));
    heed::ConvertOptions options;
    options.task_json.assign(std::istreambuf_iterator<char>(in), {});
    convert(demo_file("keywords.onnx"), options);
  }
  void whisper() {
    heed::test::read_family_golden("whisper").write_folder(folder.file("checkpoint"));
    heed::ConvertOptions options;
    options.dims = {{"beams", 2}};
    convert(folder.file("checkpoint"), options);
  }
};

heed_status create_recognizer(const Made& made, const heed_speech_options& speech,
                              heed_speech_recognizer** recognizer) {
  heed_diagnostic diagnostic;
  return heed_speech_recognizer_create(made.model.get(), nullptr, &speech, recognizer, &diagnostic);
}

}  // namespace

TEST_CASE(
    "a sound listener hears the demo's keywords, in pieces of any length, from no new memory") {
  Made made;
  made.keywords();
  heed_sound_listener* listener = nullptr;
  heed_diagnostic diagnostic;
  REQUIRE(heed_sound_listener_create(made.model.get(), nullptr, &listener, &diagnostic) == HEED_OK);
  CHECK(heed_sound_listener_rate_hz(listener) == 16000);
  heed_sound sound;
  REQUIRE(heed_sound_read_file(demo_file("keywords.wav").c_str(), 16000, &sound, &diagnostic) ==
          HEED_OK);
  // The demo sound twice, with a second of silence after each.
  std::vector<float> stream;
  for (int i = 0; i < 2; ++i) {
    stream.insert(stream.end(), sound.samples, sound.samples + sound.count);
    stream.insert(stream.end(), 16000, 0.0f);
  }
  heed_sound_free(&sound);
  CHECK(sound.samples == nullptr);
  std::vector<heed_sound_event> first;
  for (const size_t piece : {stream.size(), size_t{777}}) {
    std::vector<heed_sound_event> events;
    events.reserve(100);
    REQUIRE(AllocTrap::works());
    int64_t allocations = 0;
    bool failed = false;
    {
      const AllocTrap trap;
      for (size_t at = 0; at < stream.size(); at += piece) {
        const float* next = stream.data() + at;
        size_t left = std::min(piece, stream.size() - at);
        heed_sound_event event;
        while (left > 0 && !failed) {
          failed = heed_sound_listener_feed(listener, &next, &left, &event, nullptr) != HEED_OK;
          if (event.kind != HEED_HEARD_NOTHING && events.size() < 100) events.push_back(event);
        }
      }
      allocations = trap.count();
    }
    CHECK(allocations == 0);
    CHECK_FALSE(failed);
    REQUIRE_FALSE(events.empty());
    for (const heed_sound_event& event : events) {
      CHECK(event.kind == HEED_HEARD_KEYWORD);
      CHECK(std::strcmp(event.label, heed_model_label(made.model.get(), event.index)) == 0);
      CHECK(event.probability > 0.5f);
    }
    if (first.empty()) first = events;
    REQUIRE(events.size() == first.size());
    for (size_t i = 0; i < events.size(); ++i)
      CHECK((events[i].index == first[i].index && events[i].end == first[i].end));
    heed_sound_listener_reset(listener);
  }
  heed_sound_listener_destroy(listener);
}

TEST_CASE("the C face of speech gives what the recogniser says, words and language with it") {
  Made made;
  made.whisper();
  heed_speech_options speech = {};
  speech.language = "de";
  speech.words = 1;
  speech.beams = 2;
  speech.no_previous_text = 1;
  speech.prompt = "fox and dog";
  heed_speech_recognizer* recognizer = nullptr;
  REQUIRE(create_recognizer(made, speech, &recognizer) == HEED_OK);
  std::vector<float> samples = heed::test::formula("sound", 48000);
  REQUIRE(heed_speech_recognizer_run(recognizer, samples.data(), samples.size(), nullptr) ==
          HEED_OK);
  int32_t count = 0;
  const heed_spoken_segment* segments = heed_speech_recognizer_segments(recognizer, &count);

  heed::SpeechOptions options;
  options.language = "de";
  options.words = true;
  options.beams = 2;
  options.previous_text = false;
  options.prompt = "fox and dog";
  heed::SpeechRecognizer same;
  std::vector<heed::SpokenSegment> said;
  std::string error;
  REQUIRE(same.create(made.model.get(), heed_options{}, options, &error));
  REQUIRE(same.recognize(samples.data(), samples.size(), &said, &error));
  REQUIRE(static_cast<size_t>(count) == said.size());
  REQUIRE(count > 0);
  for (size_t i = 0; i < said.size(); ++i) {
    CHECK(segments[i].text == said[i].text);
    CHECK((segments[i].begin_s == said[i].begin_s && segments[i].end_s == said[i].end_s));
    CHECK(static_cast<size_t>(segments[i].token_count) == said[i].tokens.size());
    REQUIRE(static_cast<size_t>(segments[i].word_count) == said[i].words.size());
    for (size_t w = 0; w < said[i].words.size(); ++w)
      CHECK(segments[i].words[w].text == said[i].words[w].text);
  }
  CHECK(std::string(heed_speech_recognizer_language(recognizer)) == "de");
  heed_speech_recognizer_destroy(recognizer);
}

TEST_CASE("what does not fit a task on sounds has a status") {
  Made keywords, whisper;
  keywords.keywords();
  whisper.whisper();
  heed_sound_listener* listener = nullptr;
  heed_speech_recognizer* recognizer = nullptr;
  heed_diagnostic diagnostic;
  CHECK(heed_sound_listener_create(whisper.model.get(), nullptr, &listener, &diagnostic) ==
        HEED_NOT_FOUND);
  CHECK(create_recognizer(keywords, {}, &recognizer) == HEED_NOT_FOUND);
  heed_speech_options speech = {};
  speech.language = "xx";
  CHECK(create_recognizer(whisper, speech, &recognizer) == HEED_BAD_MODEL);
  speech = {};
  speech.beams = -1;
  CHECK(create_recognizer(whisper, speech, &recognizer) == HEED_BAD_MODEL);
  CHECK((listener == nullptr && recognizer == nullptr));
  heed_sound sound;
  CHECK(heed_sound_read_file("/nowhere.wav", 0, &sound, &diagnostic) == HEED_BAD_INPUT);
  CHECK(heed_sound_read_file(nullptr, 0, &sound, &diagnostic) == HEED_INVALID_ARGUMENT);
  CHECK(heed_sound_read_file(demo_file("digits.png").c_str(), 0, &sound, &diagnostic) ==
        HEED_BAD_INPUT);
}
