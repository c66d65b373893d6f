#pragma once
// Decodes RIFF/WAVE sounds: PCM of 8, 16, 24 or 32 bits and 32-bit float, any rate, any number of
// channels.

#include "models/audio/sound_file.h"

namespace heed {

/// On failure returns false and puts one clause into `error` ("is not a wav file"); never reads
/// beyond `size`, whatever the header claims.
bool decode_wav(const uint8_t* bytes, size_t size, Sound* out, std::string* error);

}  // namespace heed
