// flac and mp3 against what made them and against an independent decoder (tests/golden/sounds).

#include "models/audio/sound_file.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string_view>

using heed::Sound;

namespace {

using Bytes = std::vector<uint8_t>;

std::string path_of(const std::string& name) {
  return std::string(HEED_SOURCE_DIR) + "/tests/golden/sounds/" + name;
}

Bytes bytes_of(const std::string& name) {
  std::ifstream in(path_of(name), std::ios::binary);
  const Bytes bytes{std::istreambuf_iterator<char>(in), {}};
  REQUIRE(!bytes.empty());
  return bytes;
}

Sound read(const std::string& name) {
  Sound sound;
  std::string error;
  const bool good = heed::read_sound(path_of(name), &sound, &error);
  INFO(error);
  REQUIRE(good);
  return sound;
}

Sound decode(const Bytes& bytes) {
  Sound sound;
  std::string error;
  const bool good = heed::decode_sound(bytes.data(), bytes.size(), &sound, &error);
  INFO(error);
  REQUIRE(good);
  return sound;
}

void check_refused(const Bytes& bytes, const char* why,
                   uint64_t samples_max = heed::kSoundSamplesMax) {
  Sound sound;
  std::string error;
  CHECK_FALSE(heed::decode_sound(bytes.data(), bytes.size(), &sound, &error, samples_max));
  INFO(error);
  CHECK(error.find(why) != std::string::npos);
}

/// An ID3v2 tag that holds `length` bytes which look like the beginning of frames.
Bytes tagged(size_t length, const Bytes& sound) {
  Bytes bytes = {'I',
                 'D',
                 '3',
                 4,
                 0,
                 0,
                 0,
                 0,
                 static_cast<uint8_t>(length >> 7),
                 static_cast<uint8_t>(length & 127)};
  bytes.resize(bytes.size() + length, 0xff);
  bytes.insert(bytes.end(), sound.begin(), sound.end());
  return bytes;
}

}  // namespace

TEST_CASE("flac decodes to the samples that were coded") {
  for (const std::string name : {"word", "stereo"}) {
    INFO(name);
    const Sound coded = read(name + ".flac"), plain = read(name + ".wav");
    CHECK(coded.sample_rate_hz == plain.sample_rate_hz);
    CHECK(coded.samples == plain.samples);
  }
}

TEST_CASE("mp3 decodes to what another decoder makes of it, without the encoder's delay") {
  for (const std::string name : {"word", "stereo"}) {
    INFO(name);
    const Sound ours = read(name + ".mp3"), other = read(name + "_mp3.wav");
    CHECK(ours.sample_rate_hz == other.sample_rate_hz);
    REQUIRE(ours.samples.size() == other.samples.size());
    float worst = 0, loudest = 0;
    for (size_t i = 0; i < ours.samples.size(); ++i) {
      worst = std::max(worst, std::abs(ours.samples[i] - other.samples[i]));
      loudest = std::max(loudest, std::abs(other.samples[i]));
    }
    CHECK(loudest > 0.1f);
    CHECK(worst <= 0.5f / 32768 + 1e-6f);  // the other was rounded to 16 bits
  }
}

TEST_CASE("tags before and after a sound are passed over") {
  const Bytes flac = bytes_of("word.flac"), mp3 = bytes_of("word.mp3");
  CHECK(decode(tagged(300, flac)).samples == decode(flac).samples);
  CHECK(decode(tagged(300, tagged(5, mp3))).samples == decode(mp3).samples);
  Bytes ended = mp3;
  for (const char c : {'T', 'A', 'G'}) ended.push_back(static_cast<uint8_t>(c));
  ended.resize(mp3.size() + 128, 0xff);
  CHECK(decode(ended).samples == decode(mp3).samples);
  ended.resize(ended.size() + 50, 0xff);
  for (const char c : {'A', 'P', 'E', 'T', 'A', 'G', 'E', 'X', 'x', 'x', 'x', 'x'})
    ended.push_back(static_cast<uint8_t>(c));
  ended.resize(ended.size() + 20);
  ended[ended.size() - 20] = 82;  // with its foot
  CHECK(decode(ended).samples == decode(mp3).samples);
  check_refused(tagged(300, {}), "is not a wav, flac or mp3 file");
}

TEST_CASE("a flac file that is cut short is refused with its reason") {
  Bytes flac = bytes_of("word.flac");
  for (size_t size = 0; size + 200 < flac.size(); size += 7) {
    const Bytes cut(flac.begin(), flac.begin() + static_cast<ptrdiff_t>(size));
    INFO("cut to " << size);
    Sound sound;
    std::string error;
    CHECK_FALSE(heed::decode_sound(cut.data(), cut.size(), &sound, &error));
    CHECK(!error.empty());
  }
  flac.resize(flac.size() - 10);
  check_refused(flac, "of 2400 samples are there");
}

TEST_CASE("of an mp3 file that is cut short the beginning is heard") {
  const Bytes whole = bytes_of("word.mp3");
  const std::vector<float> all = decode(whole).samples;
  size_t longest = 0;
  for (size_t size = 0; size < whole.size(); size += 7) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    INFO("cut to " << size);
    Sound sound;
    std::string error;
    if (!heed::decode_sound(cut.data(), cut.size(), &sound, &error)) {
      CHECK(!error.empty());  // so little that frames are not known for what they are
      continue;
    }
    longest = std::max(longest, sound.samples.size());
    const size_t both = std::min(sound.samples.size(), all.size());
    CHECK(
        std::equal(all.begin(), all.begin() + static_cast<ptrdiff_t>(both), sound.samples.begin()));
  }
  CHECK(longest > all.size() / 2);
}

TEST_CASE(
    "an mp3 file whose tag counts frames that are not there is heard to its end, at no cost") {
  Bytes claims = bytes_of("word.mp3");
  const std::string_view mark = "Xing";
  const auto tag = std::search(claims.begin(), claims.end(), mark.begin(), mark.end());
  REQUIRE(claims.end() - tag > 12);
  const std::vector<float> all = decode(claims).samples;
  std::fill_n(tag + 8, 4, uint8_t{0xff});
  const std::vector<float> heard = decode(claims).samples;
  // What the encoder added at the end may be sound, where the tag is not to be believed.
  REQUIRE(heard.size() > all.size());
  CHECK(heard.size() < all.size() + 4096);
  CHECK(heard.capacity() < 4 * heard.size());
  CHECK(std::equal(all.begin(), all.end(), heard.begin()));
}

TEST_CASE("a flac file with a wrong bit loses its frame and is refused") {
  Bytes bytes = bytes_of("word.flac");
  bytes[bytes.size() - 100] ^= 1;
  check_refused(bytes, "is damaged or ends early");
}

TEST_CASE("a header that claims hours takes no memory for them, and too long a sound is refused") {
  Bytes claims = bytes_of("word.flac");
  claims[21] |= 0x0f;  // of 36 bits
  claims[22] = 0xff;
  check_refused(claims, "is longer than");
  claims[21] &= 0xf0;
  claims[22] = 0x02;  // 34 million samples, below what is refused anywhere: yet the file ends
  check_refused(claims, "ends early");
  check_refused(bytes_of("word.flac"), "is longer than", 2399);
  check_refused(bytes_of("word.mp3"), "is longer than", 1000);
}

TEST_CASE("what is no sound is refused by its first bytes, whatever its name") {
  check_refused({}, "is not a wav, flac or mp3 file");
  check_refused({0xff, 0xd8, 0xff, 0xe0, 0, 0}, "is not a wav, flac or mp3 file");
  check_refused({0xff, 0xf1, 0x50, 0x80, 0, 0}, "is not a wav, flac or mp3 file");  // AAC
  check_refused({'f', 'L', 'a', 'C'}, "beginning is damaged");
  Sound sound;
  std::string error;
  CHECK_FALSE(heed::read_sound(std::string(HEED_SOURCE_DIR) + "/tests", &sound, &error));
  CHECK(error.find("is a folder, not a file") != std::string::npos);
  CHECK_FALSE(heed::read_sound("/nowhere.mp3", &sound, &error));
  CHECK(error == "cannot open '/nowhere.mp3'");
}
