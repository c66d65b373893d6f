#include "models/audio/audio_frontend.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numbers>

#include "models/audio/sound_file.h"
#include "models/tensors/npy.h"
#include "tests/support/npz.h"
#include "tests/support/test_models.h"

namespace {

heed::AudioFrontendConfig keyword_mfcc() {
  heed::AudioFrontendConfig c;
  c.kind = "mfcc";
  c.clip_samples = 16000;
  c.window_samples = 480;
  c.hop_samples = 160;
  c.fft_size = 512;
  c.mel_bins = 80;
  c.mel_low_hz = 20;
  c.mel_high_hz = 7600;
  c.coefficients = 40;
  c.power = 1;
  c.log_floor = 1e-12f;
  return c;
}

heed::AudioFrontendConfig whisper_log_mel() {
  heed::AudioFrontendConfig c;
  c.kind = "log_mel";
  c.clip_samples = 480000;
  c.window_samples = c.fft_size = 400;
  c.hop_samples = 160;
  c.mel_bins = 80;
  c.mel_high_hz = 8000;
  c.mel_scale = "slaney";
  c.normalize = "whisper";
  c.center = true;
  c.features_first = true;
  return c;
}

std::vector<float> compute(heed::AudioFrontend* frontend, const heed::Sound& sound) {
  std::vector<float> out(static_cast<size_t>(frontend->frames()) *
                         static_cast<size_t>(frontend->features()));
  frontend->compute(sound.samples.data(), sound.samples.size(), out.data());
  return out;
}

}  // namespace

TEST_CASE("MFCC of a second of zeros has the log floor's c0 and nothing else") {
  heed::AudioFrontend frontend;
  std::string error;
  REQUIRE(frontend.create(keyword_mfcc(), heed::detect_isa(), &error));
  REQUIRE(frontend.frames() == 98);
  REQUIRE(frontend.features() == 40);
  heed::Sound silence{16000, std::vector<float>(16000, 0.0f)};
  const std::vector<float> rows = compute(&frontend, silence);
  CHECK(std::abs(rows[0] + 349.5) < 0.1);
  for (size_t c = 1; c < 40; ++c) CHECK(std::abs(rows[c]) < 1e-3);
}

TEST_CASE("MFCC of real clips equals the recorded features") {
  heed::AudioFrontend frontend;
  std::string error;
  REQUIRE(frontend.create(keyword_mfcc(), heed::detect_isa(), &error));
  heed::Npy golden;
  const std::string path = test_model("kwt1/golden_mfcc_5x98x40_f32.npy");
  REQUIRE(heed::read_npy(path, &golden, &error));
  const std::vector<float> expected = golden.floats();
  std::ifstream list(test_model("kwt1/golden_files.txt"));
  size_t clip = 0;
  for (std::string name; std::getline(list, name); ++clip) {
    heed::Sound sound;
    INFO(name);
    const std::string clip_path = test_model(name);
    REQUIRE(heed::read_sound(clip_path, &sound, &error));
    const std::vector<float> rows = compute(&frontend, sound);
    float worst = 0;
    for (size_t i = 0; i < rows.size(); ++i)
      worst = std::max(worst, std::abs(rows[i] - expected[clip * rows.size() + i]));
    CHECK(worst < 2e-3f);
  }
  CHECK(clip == 5);
}

TEST_CASE("the features are the same bits on every instruction set of this machine") {
  heed::Sound sound{16000, {}};
  for (int i = 0; i < 16000; ++i)
    sound.samples.push_back(std::sin(static_cast<float>(i) * 0.05f) * 0.3f);
  std::vector<float> first;
  std::string error;
  for (size_t i = 0; i < heed::kIsaNameCount; ++i) {
    if (!heed::detect_isa().contains(heed::kIsaNames[i].set)) continue;
    heed::AudioFrontend frontend;
    REQUIRE(frontend.create(keyword_mfcc(), heed::kIsaNames[i].set, &error));
    const std::vector<float> rows = compute(&frontend, sound);
    if (first.empty()) first = rows;
    INFO(heed::kIsaNames[i].name);
    CHECK(std::memcmp(first.data(), rows.data(), rows.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("Whisper's log-mel of a recorded sentence equals the recorded one") {
  heed::AudioFrontend frontend;
  std::string error;
  REQUIRE(frontend.create(whisper_log_mel(), heed::detect_isa(), &error));
  REQUIRE(frontend.frames() == 3000);
  heed::Sound sound;
  const std::string path = test_model("whisper_tiny_en/jfk.wav");
  REQUIRE(heed::read_sound(path, &sound, &error));
  const std::vector<float> rows = compute(&frontend, sound);
  const std::vector<float> golden =
      read_npz(test_model("whisper_tiny_en/golden_jfk_f16.npz"), "mel").floats();
  REQUIRE(golden.size() == rows.size());
  float worst = 0;
  for (size_t i = 0; i < rows.size(); ++i) worst = std::max(worst, std::abs(rows[i] - golden[i]));
  CHECK(worst < 1e-3f);
}

TEST_CASE("the transform of four frames is the sum that defines it, at every kind of size") {
  for (const int32_t size : {1, 2, 3, 5, 8, 30, 49, 64, 122, 400, 441, 512}) {
    INFO(size);
    heed::RealFft fft;
    REQUIRE(heed::RealFft::takes(size));
    fft.create(size);
    std::vector<float> frames(static_cast<size_t>(size * heed::kFftLanes));
    for (size_t i = 0; i < frames.size(); ++i)
      frames[i] = static_cast<float>((i * 2654435761u >> 7) % 1000) / 500.0f - 1.0f;
    std::copy(frames.begin(), frames.end(), fft.input());
    std::vector<float> power(static_cast<size_t>(fft.bins() * heed::kFftLanes));
    fft.power(fft.bins(), power.data());
    double worst = 0, top = 0;
    for (int32_t f = 0; f < fft.bins(); ++f)
      for (int32_t lane = 0; lane < heed::kFftLanes; ++lane) {
        double re = 0, im = 0;
        for (int32_t n = 0; n < size; ++n) {
          const double x =
              static_cast<double>(frames[static_cast<size_t>(n * heed::kFftLanes + lane)]);
          const double angle = 2 * std::numbers::pi * (f * n % size) / size;
          re += x * std::cos(angle);
          im -= x * std::sin(angle);
        }
        const double got =
            static_cast<double>(power[static_cast<size_t>(f * heed::kFftLanes + lane)]);
        worst = std::max(worst, std::abs(got - re * re - im * im));
        top = std::max(top, got);
      }
    CHECK(worst < 1e-6 * top);
  }
  CHECK_FALSE(heed::RealFft::takes(0));
  CHECK_FALSE(heed::RealFft::takes(2 * 67));
}

TEST_CASE("the frames of a stream, computed as they come, have the bits of the whole clip's") {
  heed::AudioFrontend frontend;
  std::string error;
  REQUIRE(frontend.create(keyword_mfcc(), heed::detect_isa(), &error));
  REQUIRE(frontend.frames_are_independent());
  heed::Sound sound{16000, {}};
  for (int i = 0; i < 16000; ++i)
    sound.samples.push_back(std::sin(static_cast<float>(i * i % 7919)) * 0.3f);
  const std::vector<float> whole = compute(&frontend, sound);
  std::vector<float> parts(whole.size());
  for (int32_t t = 0, rows = 1; t < frontend.frames(); t += rows, rows = rows % 13 + 1) {
    rows = std::min(rows, frontend.frames() - t);
    frontend.compute_frames(sound.samples.data() + t * 160, rows, parts.data() + t * 40);
  }
  CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
}

TEST_CASE("front-end constants that make no sense are refused with a reason") {
  heed::AudioFrontend frontend;
  std::string error;
  const auto refused = [&](auto change) {
    heed::AudioFrontendConfig c = keyword_mfcc();
    change(c);
    error.clear();
    CHECK_FALSE(frontend.create(c, heed::IsaSet(), &error));
    CHECK_FALSE(error.empty());
  };
  refused([](auto& c) { c.kind = "cepstrum"; });
  refused([](auto& c) { c.hop_samples = 0; });
  refused([](auto& c) { c.fft_size = 100; });
  refused([](auto& c) { c.fft_size = 521; });
  refused([](auto& c) { c.clip_samples = 10; });
  refused([](auto& c) { c.clip_samples = (1u << 24) + 1; });  // memory for that, of a few bytes
  refused([](auto& c) {
    c.clip_samples = 1u << 24;
    c.hop_samples = 1;
  });
  refused([](auto& c) { c.coefficients = 81; });
  refused([](auto& c) { c.mel_high_hz = 9000; });
  refused([](auto& c) { c.mel_low_hz = std::nanf(""); });
  refused([](auto& c) { c.mel_scale = "bark"; });
  refused([](auto& c) { c.power = 3; });
  refused([](auto& c) { c.log_floor = 0; });
}
