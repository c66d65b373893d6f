// Streams: what becomes an event and when, and that a stream hears what its clips hold.

#include "models/sound_stream.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/heed.hpp"
#include "models/audio/resample.h"
#include "models/sound_classifier.h"
#include "tests/support/alloc_trap.h"
#include "tests/support/tiny_models.h"

using heed::KeywordDetector;
using heed::SoundEvent;
using heed::SoundEventKind;
using heed::SpeechSegmenter;

namespace {

constexpr uint32_t kClip = 1600, kFrames = 9, kFeatures = 8;

// A "model" of one linear layer over the log-mel of a tenth of a second, two labels.
heed::test::TinyModel sound_model(const std::string& kind, bool waveform) {
  heed::test::TinyModel model;
  model.entry_point("main");
  const uint32_t width = waveform ? kClip : kFrames * kFeatures;
  const int32_t x = model.input("x", heed::DataType::f32, {1, width});
  const int32_t rows = model.q8("rows", {1, width}), y = model.arena("y", {1, 16});
  heed::fb::RowsOptionsT quantise;
  quantise.rows = 1;
  quantise.epilogue = std::make_unique<heed::fb::EpilogueT>();
  model.op("quantise", std::move(quantise), {x}, {-1, -1, rows});
  model.linear("scores", rows, 16, {}, {y, -1, -1});
  model.output(y);
  auto task = std::make_unique<heed::fb::TaskT>();
  task->kind = kind;
  task->output_is_probability = kind == "voice_activity";
  for (int i = 0; i < 16; ++i)
    task->labels.push_back(i == 3 ? "speech" : (i < 2 ? "_" : "word") + std::to_string(i));
  auto audio = std::make_unique<heed::fb::AudioFrontendT>();
  audio->kind = waveform ? "pcm" : "log_mel";
  audio->sample_rate_hz = 16000;
  audio->clip_samples = kClip;
  audio->window_samples = audio->fft_size = 320;
  audio->hop_samples = 160;
  audio->mel_bins = kFeatures;
  audio->mel_low_hz = 60;
  audio->mel_high_hz = 7000;
  audio->mel_scale = "htk";
  audio->log_floor = 1e-10f;
  task->audio = std::move(audio);
  task->detection = std::make_unique<heed::fb::DetectionT>();
  task->detection->stream_hop_samples = 320;
  task->detection->threshold = 0.2f;
  task->detection->smoothing_ms = 60;
  task->detection->refractory_ms = 100;
  task->detection->min_speech_ms = task->detection->min_silence_ms = 40;
  model.model.task = std::move(task);
  model.plan();
  return model;
}

std::vector<float> noise(size_t count) {
  heed::test::SeededRandom random(3);
  std::vector<float> samples(count);
  for (size_t i = 0; i < count; ++i)
    samples[i] = random.uniform(-0.5f, 0.5f) * (i / 2000 % 2 == 0 ? 1.0f : 0.01f);
  return samples;
}

}  // namespace

TEST_CASE("a keyword is heard once: averaged, above the threshold, and silent while it lasts") {
  KeywordDetector detector;
  detector.create(3, 2, 3, 0.6f);
  detector.ignore(0);
  const float word[] = {0, 1, 0}, other[] = {0, 0, 1}, nothing[] = {1, 0, 0};
  CHECK(detector.add(word) == -1);  // the average is a half
  CHECK(detector.add(word) == 1);
  CHECK(detector.average(1) == 1.0f);
  for (int i = 0; i < 8; ++i) CHECK(detector.add(word) == -1);
  CHECK(detector.add(nothing) == -1);
  CHECK(detector.add(nothing) == -1);
  CHECK(detector.add(word) == -1);
  CHECK(detector.add(word) == 1);
  // Another word within the refractory time is not heard, after it it is.
  CHECK(detector.add(other) == -1);
  CHECK(detector.add(other) == -1);
  CHECK(detector.add(other) == -1);
  CHECK(detector.add(other) == 2);
  for (int i = 0; i < 9; ++i) CHECK(detector.add(nothing) == -1);  // ignored
  detector.reset();
  CHECK(detector.add(word) == -1);
  CHECK(detector.add(word) == 1);
}

TEST_CASE("speech begins and ends where it did, not where that became certain") {
  SpeechSegmenter speech;
  using Change = SpeechSegmenter::Change;
  speech.create(2, 3, 0.5f, 0.35f);
  CHECK(speech.add(0.9f) == Change::none);  // a click
  CHECK(speech.add(0.1f) == Change::none);
  CHECK(speech.add(0.6f) == Change::none);
  CHECK(speech.add(0.8f) == Change::begin);
  CHECK(speech.first() == 2);
  for (const float p : {0.1f, 0.1f, 0.4f, 0.1f, 0.9f, 0.2f, 0.2f})
    CHECK(speech.add(p) == Change::none);
  CHECK(speech.add(0.2f) == Change::end);
  CHECK(speech.first() == 2);
  CHECK(speech.last() == 8);
  CHECK(speech.add(0.7f) == Change::none);
  CHECK(speech.finish() == Change::none);  // too short
  CHECK(speech.add(0.7f) == Change::none);
  CHECK(speech.add(0.7f) == Change::begin);
  CHECK(speech.finish() == Change::end);
  CHECK(speech.last() == 14);
}

TEST_CASE("a stream in pieces of any size hears the same, and allocates nothing") {
  for (const bool waveform : {false, true})
    for (const char* kind : {"keyword_spotting", "voice_activity"}) {
      INFO(kind << waveform);
      const heed::test::AlignedBytes file = sound_model(kind, waveform).bytes();
      heed::Model model;
      REQUIRE(model.open(file.span()) == heed::Status::ok);
      heed::SoundStream stream;
      heed_options options{};
      std::string error;
      REQUIRE(stream.create(model.get(), options, &error));
      const std::vector<float> sound = noise(40000);
      std::vector<SoundEvent> events[2];
      for (auto& list : events) list.reserve(200);
      for (const size_t piece : {size_t{40000}, size_t{37}}) {
        auto& list = events[piece == 37];
        heed_diagnostic diagnostic;
        stream.reset();
        const heed::test::AllocTrap trap;
        for (size_t at = 0; at < sound.size(); at += piece) {
          const float* next = sound.data() + at;
          size_t count = std::min(piece, sound.size() - at);
          SoundEvent event;
          while (count > 0) {
            if (!stream.listen(&next, &count, &event, &diagnostic)) break;
            if (event.kind != SoundEventKind::none) list.push_back(event);
          }
        }
        CHECK(trap.count() == 0);
        CHECK(stream.windows() == (40000 - kClip) / 320 + 1);
      }
      REQUIRE(!events[0].empty());
      REQUIRE(events[0].size() == events[1].size());
      for (size_t i = 0; i < events[0].size(); ++i) {
        CHECK(events[0][i].kind == events[1][i].kind);
        CHECK(events[0][i].score == events[1][i].score);
        CHECK(events[0][i].begin == events[1][i].begin);
        CHECK(events[0][i].end == events[1][i].end);
      }
    }
}

TEST_CASE("a window of a stream has the probabilities of the same clip on its own") {
  heed::test::TinyModel made = sound_model("keyword_spotting", false);
  made.model.task->detection->smoothing_ms = 0;
  made.model.task->detection->threshold = 0.01f;
  made.model.task->detection->refractory_ms = 0;
  const heed::test::AlignedBytes file = made.bytes();
  heed::Model model;
  REQUIRE(model.open(file.span()) == heed::Status::ok);
  heed::SoundStream stream;
  heed::SoundClassifier classifier;
  heed_options options{};
  heed_diagnostic diagnostic;
  std::string error;
  REQUIRE(stream.create(model.get(), options, &error));
  REQUIRE(classifier.create(model.get(), options, "", &error));
  const std::vector<float> sound = noise(40000);
  std::vector<float> probabilities(classifier.classes());
  const float* next = sound.data();
  size_t count = sound.size(), compared = 0;
  for (SoundEvent event; count > 0;) {
    REQUIRE(stream.listen(&next, &count, &event, &diagnostic));
    if (event.kind == SoundEventKind::none) continue;
    REQUIRE(classifier.listen(sound.data() + event.begin, kClip, &error));
    classifier.probabilities(probabilities.data());
    CHECK(probabilities[static_cast<size_t>(event.label)] == event.score);
    ++compared;
  }
  CHECK(compared > 2);
}

TEST_CASE("a model that is not for streams is refused with a reason") {
  std::string error;
  heed::Model model;
  for (const bool wrong_input : {false, true}) {
    heed::test::TinyModel made = sound_model(wrong_input ? "keyword_spotting" : "tensors", false);
    if (wrong_input) made.model.task->audio->mel_bins = 9;
    const heed::test::AlignedBytes file = made.bytes();
    REQUIRE(model.open(file.span()) == heed::Status::ok);
    heed::SoundStream stream;
    CHECK_FALSE(stream.create(model.get(), {}, &error));
    CHECK(error.find(wrong_input ? "takes 72" : "keyword_spotting") != std::string::npos);
  }
}

TEST_CASE("a sound resampled in pieces is the sound resampled at once") {
  heed::Sound sound{8000, {}};
  for (int i = 0; i < 8000; ++i)
    sound.samples.push_back(std::sin(static_cast<float>(i) * 0.3f) * 0.4f);
  heed::StreamResampler pieces;
  std::string error;
  REQUIRE(pieces.create(8000, 16000, &error));
  std::vector<float> out, part(pieces.capacity(700));
  for (size_t at = 0; at < sound.samples.size(); at += 700) {
    const size_t count = std::min<size_t>(700, sound.samples.size() - at);
    const size_t made = pieces.run(sound.samples.data() + at, count, part.data());
    REQUIRE(made <= part.size());
    out.insert(out.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(made));
  }
  REQUIRE(heed::resample(&sound, 16000, &error));
  REQUIRE(out.size() > 15800);  // the rest still lies in the filter
  float worst = 0;
  for (size_t i = 0; i < out.size(); ++i)
    worst = std::max(worst, std::abs(out[i] - sound.samples[i]));
  CHECK(worst < 1e-5f);
  CHECK_FALSE(pieces.create(8000, 8000 * 300, &error));
}
