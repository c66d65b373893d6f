#include "models/audio/wav.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numbers>

#include "models/audio/resample.h"
#include "tests/support/test_models.h"

namespace {

void put(std::vector<uint8_t>* out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

std::vector<uint8_t> wav(uint16_t code, uint16_t channels, uint32_t rate, uint16_t bits,
                         const std::vector<uint8_t>& data, uint32_t claimed_bytes) {
  std::vector<uint8_t> out = {'R', 'I', 'F', 'F', 0,   0,   0,   0,
                              'W', 'A', 'V', 'E', 'f', 'm', 't', ' '};
  put(&out, 16, 4);
  put(&out, code, 2);
  put(&out, channels, 2);
  put(&out, rate, 4);
  put(&out, rate * channels * bits / 8, 4);
  put(&out, channels * bits / 8u, 2);
  put(&out, bits, 2);
  for (char c : {'d', 'a', 't', 'a'}) out.push_back(static_cast<uint8_t>(c));
  put(&out, claimed_bytes, 4);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

}  // namespace

TEST_CASE("16-bit stereo is averaged to mono and scaled to one") {
  const std::vector<uint8_t> data = {0x00, 0x40, 0x00, 0xC0, 0x00, 0x80, 0x00, 0x80};
  const auto bytes = wav(1, 2, 8000, 16, data, 8);
  heed::Sound sound;
  std::string error;
  REQUIRE(heed::decode_wav(bytes.data(), bytes.size(), &sound, &error));
  CHECK(sound.sample_rate_hz == 8000);
  CHECK(sound.samples == std::vector<float>{0.0f, -1.0f});
}

TEST_CASE("8, 24, 32-bit and float samples are read") {
  heed::Sound sound;
  std::string error;
  const auto one = [&](uint16_t code, uint16_t bits, const std::vector<uint8_t>& data) {
    const auto bytes = wav(code, 1, 16000, bits, data, static_cast<uint32_t>(data.size()));
    REQUIRE(heed::decode_wav(bytes.data(), bytes.size(), &sound, &error));
    REQUIRE(sound.samples.size() == 1);
    return sound.samples[0];
  };
  CHECK(one(1, 8, {0}) == -1.0f);
  CHECK(one(1, 8, {192}) == 0.5f);
  CHECK(one(1, 24, {0, 0, 0xC0}) == -0.5f);
  CHECK(one(1, 32, {0, 0, 0, 0x20}) == 0.25f);
  CHECK(one(3, 32, {0, 0, 0x80, 0x3E}) == 0.25f);
}

TEST_CASE("a wav file that lies or ends early is refused or cut, never read beyond") {
  const std::vector<uint8_t> data(64, 1);
  const auto whole = wav(1, 1, 16000, 16, data, 64);
  heed::Sound sound;
  std::string error;
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    if (heed::decode_wav(cut.data(), cut.size(), &sound, &error))
      CHECK(sound.samples.size() == (size - 44) / 2);
  }
  const auto refused = [&](const std::vector<uint8_t>& bytes, const char* why) {
    CHECK_FALSE(heed::decode_wav(bytes.data(), bytes.size(), &sound, &error));
    INFO(error);
    CHECK(error.find(why) != std::string::npos);
  };
  refused(wav(1, 1, 16000, 16, {}, 0), "no samples");
  refused(wav(85, 1, 16000, 16, data, 64), "format 85");
  refused(wav(1, 0, 16000, 16, data, 64), "0 channels");
  refused(wav(1, 1, 0, 16, data, 64), "0 Hz");
  refused({'R', 'I', 'F', 'F', 0, 0, 0, 0, 'A', 'V', 'I', ' '}, "is not a wav file");
  const auto claims_more = wav(1, 1, 16000, 16, data, 0xFFFFFFFF);
  REQUIRE(heed::decode_wav(claims_more.data(), claims_more.size(), &sound, &error));
  CHECK(sound.samples.size() == 32);
}

TEST_CASE("a tone resampled from 44.1 kHz to 16 kHz stays the same tone") {
  heed::Sound sound;
  sound.sample_rate_hz = 44100;
  for (int i = 0; i < 44100; ++i)
    sound.samples.push_back(static_cast<float>(std::sin(2 * std::numbers::pi * 440.0 * i / 44100)));
  std::string error;
  REQUIRE(heed::resample(&sound, 16000, &error));
  REQUIRE(sound.samples.size() == 16000);
  double worst = 0;
  for (int i = 1000; i < 15000; ++i)
    worst = std::max(worst, std::abs(sound.samples[static_cast<size_t>(i)] -
                                     std::sin(2 * std::numbers::pi * 440.0 * i / 16000)));
  CHECK(worst < 2e-3);
}

TEST_CASE("a recorded clip is read whole") {
  heed::Sound sound;
  std::string error;
  const std::string path = test_model("whisper_tiny_en/jfk.wav");
  REQUIRE(heed::read_sound(path, &sound, &error));
  CHECK(sound.sample_rate_hz == 16000);
  CHECK(sound.samples.size() == 176000);
}
