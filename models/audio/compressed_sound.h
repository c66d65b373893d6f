#pragma once
// Decodes flac and mp3 sounds (the decoders dr_flac and dr_mp3 of miniaudio), without SIMD and
// contraction: a sound is the same samples on every machine.

#include "models/audio/sound_file.h"

namespace heed {

/// The bytes of the ID3v2 tags that lie before a sound; 0 where there is none.
size_t id3_bytes(const uint8_t* bytes, size_t size);

/// Whether a frame of an MPEG sound, layer 3, may begin here.
bool mp3_header(const uint8_t* bytes, size_t size);

/// Both return false with a clause in `error` for what is damaged or would be longer than
/// `samples_max`, and take memory by what is there, not by what is claimed. Of flac the samples are
/// those that were coded, to the bit, or the file ends early and is refused; of mp3 all frames that
/// are there count, without the encoder's delay and padding where the file tells them (LAME's tag).
bool decode_flac(const uint8_t* bytes, size_t size, uint64_t samples_max, Sound* out,
                 std::string* error);
bool decode_mp3(const uint8_t* bytes, size_t size, uint64_t samples_max, Sound* out,
                std::string* error);

}  // namespace heed
