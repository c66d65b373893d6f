// Models of speech that lie about themselves, or whose numbers are none: refused in a sentence, or
// heard without harm.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <limits>
#include <string>

#include "engine/heed.hpp"
#include "models/heed_tasks.h"
#include "models/speech_recognizer.h"
#include "tests/support/tiny_speech.h"

namespace fb = heed::fb;
using namespace heed::test;

namespace {

struct Recognizer {
  ~Recognizer() { heed_speech_recognizer_destroy(task); }
  AlignedBytes bytes;
  heed::Model model;
  heed_speech_recognizer* task = nullptr;
  heed::Diagnostic diagnostic;

  heed_status create(TinyModel tiny, const heed_speech_options& options) {
    tiny.plan();
    bytes = tiny.bytes();
    const heed::Status opened = model.open(bytes.span(), &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(opened == heed::Status::ok);
    return heed_speech_recognizer_create(model.get(), nullptr, &options, &task, &diagnostic);
  }
};

std::vector<float> sound(size_t count) {
  std::vector<float> samples(count);
  SeededRandom random(3);
  for (float& sample : samples) sample = random.uniform(-1, 1);
  return samples;
}

heed_speech_options with_words(int32_t beams) {
  heed_speech_options options{};
  options.words = 1;
  options.beams = beams;
  options.no_fallback = 1;
  return options;
}

/// Creates it and hears a sound of two windows. Returns how many segments there were.
int32_t segments_of(TinyModel tiny, const heed_speech_options& options,
                    std::string* language = nullptr) {
  Recognizer recognizer;
  const heed_status status = recognizer.create(std::move(tiny), options);
  INFO(recognizer.diagnostic.text());
  REQUIRE(status == HEED_OK);
  const std::vector<float> samples = sound(100);
  REQUIRE(heed_speech_recognizer_run(recognizer.task, samples.data(), samples.size(),
                                     &recognizer.diagnostic) == HEED_OK);
  if (language != nullptr) *language = heed_speech_recognizer_language(recognizer.task);
  int32_t count = 0;
  (void)heed_speech_recognizer_segments(recognizer.task, &count);
  return count;
}

fb::TensorT& named(TinyModel& tiny, const std::string& name) {
  const auto found = std::find_if(tiny.model.tensors.begin(), tiny.model.tensors.end(),
                                  [&](const auto& tensor) { return tensor->name == name; });
  REQUIRE(found != tiny.model.tensors.end());
  return **found;
}

/// Spoils a model of Whisper's kind; creation says in a sentence that holds `why` what is wrong.
void check_refused(const std::string& why, const std::function<void(TinyModel&)>& spoil) {
  TinyModel tiny = whisper_model(2);
  spoil(tiny);
  Recognizer recognizer;
  CHECK(recognizer.create(std::move(tiny), with_words(2)) == HEED_BAD_MODEL);
  INFO(recognizer.diagnostic.text());
  CHECK(recognizer.diagnostic.text().find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("the tiny models of speech write something down") {
  for (const uint32_t beams : {1u, 3u}) {
    std::string language;
    for (const bool int8 : {false, true}) {
      const auto options = with_words(static_cast<int32_t>(beams));
      CHECK(segments_of(whisper_model(beams, int8), options, &language) > 0);
      CHECK((language == "en" || language == "de"));
    }
  }
  for (const int32_t beams : {1, 3}) {
    CHECK(segments_of(wave_ctc_model(false), with_words(beams)) > 0);
    CHECK(segments_of(wave_ctc_model(true), with_words(beams)) > 0);
    CHECK(segments_of(feature_ctc_model(), with_words(beams)) > 0);
  }
}

TEST_CASE("a model whose scores are no numbers still names one of its languages") {
  TinyModel tiny = whisper_model(1);
  const fb::Blob& head = *named(tiny, "head").blob;
  const float none = std::numeric_limits<float>::quiet_NaN();
  for (uint64_t at = 0; at < head.size(); at += sizeof none)
    std::copy_n(reinterpret_cast<const std::byte*>(&none), sizeof none,
                tiny.blobs.begin() + static_cast<ptrdiff_t>(head.offset() + at));
  std::string language;
  (void)segments_of(std::move(tiny), with_words(1), &language);
  CHECK((language == "en" || language == "de"));
}

TEST_CASE("caches that a search would move rows of must be alike") {
  const std::string why = "caches do not have as many rows";
  check_refused(why, [](TinyModel& tiny) { tiny.state("one row", {1, 16}); });
  check_refused(why, [](TinyModel& tiny) { tiny.state("odd", {kWhisperRows * 2 + 1, 16}); });
  check_refused(why, [](TinyModel& tiny) { tiny.state("flat", {kWhisperRows * 2}); });
}

TEST_CASE("heads that time words must be those that there are, and see all that is heard") {
  const std::string why = "alignment heads are not among its layers";
  check_refused(why, [](TinyModel& tiny) { tiny.model.task->speech->alignment_heads = {1, 0}; });
  check_refused(
      why, [](TinyModel& tiny) { tiny.model.task->speech->alignment_heads = {0, 0, 0, 1, 0, 1}; });
  check_refused("does not reach to the end of what is heard", [](TinyModel& tiny) {
    tiny.entry_point("encode_longest");  // 16 rows, where the decoder looks at 8
    const Dims frames = {1, tiny.model.task->audio->mel_bins, 32};
    const int32_t mel = tiny.input("mel", heed::DataType::f32, frames);
    const int32_t hidden = tiny.arena("hidden", frames);
    tiny.op("copy", fb::CopyOptionsT{}, {mel}, {hidden});
    tiny.output(hidden);
  });
}

TEST_CASE("no memory is taken for maps of thousands of heads over thousands of keys") {
  check_refused("words cannot be timed by so many heads", [](TinyModel& tiny) {
    constexpr uint32_t kHeads = 4096, kKeys = 2048;
    fb::AttentionOptionsT attention;
    attention.queries = attention.kv_heads = attention.head_width = 1;
    attention.heads = kHeads;
    attention.keys = kKeys;
    attention.scale = 1;
    std::swap(tiny.model.entry_points[2], tiny.model.entry_points.back());  // decode_step
    const int32_t k = tiny.random_floats("k", {kKeys, 1}, -1, 1);
    tiny.op("layers.1.encoder_attn", std::move(attention),
            {tiny.random_floats("q", {1, kHeads}, -1, 1), k, k},
            {tiny.arena("heard", {1, kHeads})});
    auto& ops = tiny.entry().ops;
    std::rotate(ops.begin(), ops.end() - 1, ops.end());
    auto& heads = tiny.model.task->speech->alignment_heads;
    heads.clear();
    for (uint32_t h = 0; h < kHeads; ++h) heads.insert(heads.end(), {0, h});
  });
}

TEST_CASE("frames that are hours apart ask for no memory, nor do many encoders together") {
  const std::string why = "far too long";
  check_refused(why, [](TinyModel& tiny) { tiny.model.task->audio->hop_samples = 1u << 25; });
  check_refused(why, [](TinyModel& tiny) { tiny.model.task->audio->hop_samples = 1u << 31; });
  // Each would do alone: 8 and 16 frames.
  check_refused(why, [](TinyModel& tiny) { tiny.model.task->audio->hop_samples = 900'000; });
}

TEST_CASE("special tokens beyond the vocabulary are refused, whatever their sums") {
  const std::string why = "special tokens are not in its vocabulary";
  check_refused(why, [](TinyModel& tiny) {
    tiny.model.task->speech->max_initial_timestamp = std::numeric_limits<int32_t>::max();
  });
  check_refused(why, [](TinyModel& tiny) {
    tiny.model.task->speech->first_language = std::numeric_limits<int32_t>::max();
  });
  check_refused(why, [](TinyModel& tiny) { tiny.model.task->speech->end = 24; });
}
