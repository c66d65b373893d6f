#include "models/audio/resample.h"

#include <samplerate.h>

#include <cmath>

namespace heed {

bool resample(Sound* sound, uint32_t rate_hz, std::string* error) {
  if (sound->sample_rate_hz == rate_hz) return true;
  const double ratio = static_cast<double>(rate_hz) / sound->sample_rate_hz;
  if (src_is_valid_ratio(ratio) == 0) {
    *error = "cannot be brought from " + std::to_string(sound->sample_rate_hz) + " Hz to " +
             std::to_string(rate_hz) + " Hz";
    return false;
  }
  const size_t frames =
      static_cast<size_t>(std::lround(static_cast<double>(sound->samples.size()) * ratio));
  std::vector<float> out(frames + 1);
  SRC_DATA data{};
  data.data_in = sound->samples.data();
  data.data_out = out.data();
  data.input_frames = static_cast<long>(sound->samples.size());
  data.output_frames = static_cast<long>(out.size());
  data.src_ratio = ratio;
  if (const int code = src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1); code != 0) {
    *error = std::string("cannot be resampled: ") + src_strerror(code);
    return false;
  }
  // The last sample or two may still lie in the filter: they are silence.
  out.resize(static_cast<size_t>(data.output_frames_gen));
  out.resize(frames, 0.0f);
  sound->samples = std::move(out);
  sound->sample_rate_hz = rate_hz;
  return true;
}

}  // namespace heed
