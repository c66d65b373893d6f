// A sound file: wav, flac or mp3.

#include <cstdlib>
#include <cstring>
#include <string>

#include "models/audio/sound_file.h"
#include "tests/fuzz/fuzz_target.h"

namespace heed::test {
namespace {

constexpr uint64_t kSamplesMax = 1 << 20;  // more is slow, no more

void run(std::span<const uint8_t> bytes) {
  const FuzzBytes exact(bytes.begin(), bytes.end());  // of its own: a step beyond is seen
  Sound sound;
  std::string error;
  const bool good = decode_sound(exact.data(), exact.size(), &sound, &error, kSamplesMax);
  if (good ? sound.samples.empty() || sound.sample_rate_hz == 0 : error.empty()) abort();
}

template <class T>
void put(FuzzBytes& bytes, T value) {
  uint8_t raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof value);
  bytes.insert(bytes.end(), raw, raw + sizeof raw);
}

FuzzBytes wav(uint16_t format, uint16_t channels, uint16_t bits, bool extensible, bool odd_chunk) {
  FuzzBytes b = to_bytes("RIFF");
  put<uint32_t>(b, 0);
  const FuzzBytes wave = to_bytes("WAVE");
  b.insert(b.end(), wave.begin(), wave.end());
  if (odd_chunk) {
    const FuzzBytes list = to_bytes("LIST");
    b.insert(b.end(), list.begin(), list.end());
    put<uint32_t>(b, 3);
    put<uint32_t>(b, 0x00616263);
  }
  const FuzzBytes fmt = to_bytes("fmt ");
  b.insert(b.end(), fmt.begin(), fmt.end());
  put<uint32_t>(b, extensible ? 40 : 16);
  put<uint16_t>(b, extensible ? 0xfffe : format);
  put<uint16_t>(b, channels);
  put<uint32_t>(b, 16000);
  put<uint32_t>(b, 16000u * channels * bits / 8);
  put<uint16_t>(b, static_cast<uint16_t>(channels * bits / 8));
  put<uint16_t>(b, bits);
  if (extensible) {
    put<uint16_t>(b, 22);
    put<uint16_t>(b, bits);
    put<uint32_t>(b, 3);
    put<uint16_t>(b, format);
    for (int i = 0; i < 7; ++i) put<uint16_t>(b, 0x1234);
  }
  const FuzzBytes data = to_bytes("data");
  b.insert(b.end(), data.begin(), data.end());
  put<uint32_t>(b, 96);
  for (int i = 0; i < 96; ++i) b.push_back(static_cast<uint8_t>(i * 37));
  const auto size = static_cast<uint32_t>(b.size() - 8);
  std::memcpy(b.data() + 4, &size, sizeof size);
  return b;
}

std::vector<FuzzBytes> seeds() {
  std::vector<FuzzBytes> all = {wav(1, 1, 16, false, false), wav(1, 2, 8, false, true),
                                wav(1, 3, 24, true, false), wav(1, 1, 32, false, false),
                                wav(3, 2, 32, true, true)};
  for (const char* name : {"word.flac", "stereo.flac", "word.mp3", "stereo.mp3"})
    all.push_back(read_bytes(std::string(HEED_SOURCE_DIR) + "/tests/golden/sounds/" + name));
  return all;
}

const FuzzTarget kTarget = {"sound", run, seeds, nullptr};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
