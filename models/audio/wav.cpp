#include "models/audio/wav.h"

#include <string.h>

namespace heed {
namespace {

constexpr uint16_t kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;
constexpr uint32_t kRateMax = 768000;

uint32_t little_endian(const uint8_t* p, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= static_cast<uint32_t>(p[i]) << (8 * i);
  return value;
}

struct Format {
  uint16_t code = 0, channels = 0, bits = 0;
  uint32_t rate = 0;
};

float sample(const uint8_t* p, const Format& format) {
  if (format.code == kFloat) {
    float value;
    memcpy(&value, p, sizeof value);
    return value == value ? value : 0.0f;
  }
  if (format.bits == 8) return (static_cast<float>(p[0]) - 128.0f) / 128.0f;
  // Shifted up to 32 bits so that the sign lies where the language expects it.
  const uint32_t shifted = little_endian(p, format.bits / 8u) << (32 - format.bits);
  return static_cast<float>(static_cast<int32_t>(shifted)) / 2147483648.0f;
}

bool check_format(const Format& format, std::string* error) {
  const bool pcm = format.code == kPcm && (format.bits == 8 || format.bits == 16 ||
                                           format.bits == 24 || format.bits == 32);
  if (!pcm && !(format.code == kFloat && format.bits == 32)) {
    *error = "holds samples of format " + std::to_string(format.code) + " with " +
             std::to_string(format.bits) +
             " bits; PCM of 8, 16, 24, 32 bits and 32-bit float are read";
    return false;
  }
  if (format.channels == 0 || format.rate == 0 || format.rate > kRateMax) {
    *error = "claims " + std::to_string(format.channels) + " channels at " +
             std::to_string(format.rate) + " Hz";
    return false;
  }
  return true;
}

}  // namespace

bool decode_wav(const uint8_t* bytes, size_t size, Sound* out, std::string* error) {
  if (size < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0) {
    *error = "is not a wav file";
    return false;
  }
  Format format;
  bool have_format = false;
  for (size_t at = 12; size - at >= 8;) {
    const uint8_t* body = bytes + at + 8;
    // Recorders that stream write a length of 0 or 0xFFFFFFFF: take what is there.
    const size_t left = size - at - 8;
    size_t length = little_endian(bytes + at + 4, 4);
    if (memcmp(bytes + at, "fmt ", 4) == 0) {
      if (length < 16 || length > left) break;
      format = {static_cast<uint16_t>(little_endian(body, 2)),
                static_cast<uint16_t>(little_endian(body + 2, 2)),
                static_cast<uint16_t>(little_endian(body + 14, 2)), little_endian(body + 4, 4)};
      if (format.code == kExtensible && length >= 26)
        format.code = static_cast<uint16_t>(little_endian(body + 24, 2));
      if (!check_format(format, error)) return false;
      have_format = true;
    } else if (memcmp(bytes + at, "data", 4) == 0) {
      if (!have_format) break;
      if (length == 0 || length > left) length = left;
      const size_t width = format.bits / 8u, frame = width * format.channels,
                   frames = length / frame;
      if (frames == 0) {
        *error = "holds no samples";
        return false;
      }
      out->sample_rate_hz = format.rate;
      out->samples.resize(frames);
      for (size_t i = 0; i < frames; ++i) {
        float sum = 0;
        for (size_t c = 0; c < format.channels; ++c)
          sum += sample(body + i * frame + c * width, format);
        out->samples[i] = sum / static_cast<float>(format.channels);
      }
      return true;
    }
    if (length > left) break;
    at += 8 + length + (length & 1 && length < left ? 1 : 0);
  }
  *error = have_format ? "has no data chunk" : "has no valid format chunk";
  return false;
}

}  // namespace heed
