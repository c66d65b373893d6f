#pragma once
// Reads RIFF/WAVE sounds: PCM of 8, 16, 24 or 32 bits and 32-bit float, any rate, any number of
// channels.

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

/// Decodes the bytes of a wav file. On failure returns false and puts one clause into `error`
/// ("is not a wav file"); never reads beyond `size`, whatever the header claims.
bool decode_wav(const uint8_t* bytes, size_t size, Sound* out, std::string* error);

/// Reads and decodes a file; `error` then is a whole sentence that names it.
bool read_wav(const std::string& path, Sound* out, std::string* error);

}  // namespace heed
