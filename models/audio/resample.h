#pragma once
// Band-limited change of a sound's sample rate (libsamplerate).

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>

#include "models/audio/sound_file.h"

namespace heed {

/// Makes `sound` have `rate_hz`; nothing happens when it has it already. Returns false with a
/// clause in `error` when the ratio is beyond what can be done (1 : 256).
bool resample(Sound* sound, uint32_t rate_hz, std::string* error);

/// The same for a sound that comes in pieces; allocates nothing after create().
class StreamResampler {
 public:
  bool create(uint32_t from_hz, uint32_t to_hz, std::string* error);

  /// The most that run() makes of `count` samples.
  size_t capacity(size_t count) const;
  /// Converts all `count` samples, returns how many came out; the last few stay in the filter.
  size_t run(const float* samples, size_t count, float* out);

 private:
  struct Delete {
    void operator()(void* state) const;
  };
  std::unique_ptr<void, Delete> state_;  // null where the rates are equal
  double ratio_ = 1;
};

}  // namespace heed
