#pragma once
// Band-limited change of a sound's sample rate (libsamplerate).

#include <string>

#include "models/audio/wav.h"

namespace heed {

/// Makes `sound` have `rate_hz`; nothing happens when it has it already. Returns false with a
/// clause in `error` when the ratio is beyond what can be done (1 : 256).
bool resample(Sound* sound, uint32_t rate_hz, std::string* error);

}  // namespace heed
