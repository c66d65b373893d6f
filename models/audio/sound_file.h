#pragma once
// Sounds from files and memory: wav, flac and mp3, told apart by their first bytes, never by name.

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

namespace heed {

/// Mono samples in [-1, 1]: channels are averaged, PCM is divided by 2^(bits - 1).
struct Sound {
  uint32_t sample_rate_hz = 0;
  std::vector<float> samples;
};

/// Refused beyond that, before memory is taken: 4 GB of floats, six hours at 48 kHz; 0.5 GB where
/// addresses have 32 bits.
inline constexpr uint64_t kSoundSamplesMax =
    uint64_t{SIZE_MAX} / 32 < (uint64_t{1} << 30) ? uint64_t{SIZE_MAX} / 32 : uint64_t{1} << 30;

/// Decodes the bytes of a file. On failure returns false and puts one clause into `error` ("is not
/// a wav, flac or mp3 file"); never reads beyond `size`, whatever the headers claim.
bool decode_sound(const uint8_t* bytes, size_t size, Sound* out, std::string* error,
                  uint64_t samples_max = kSoundSamplesMax);

/// Reads and decodes a file; `error` then is a whole sentence that names it.
bool read_sound(const std::string& path, Sound* out, std::string* error);

}  // namespace heed
