#include "models/audio/resample.h"

#include <samplerate.h>

#include <algorithm>
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

void StreamResampler::Delete::operator()(void* state) const {
  src_delete(static_cast<SRC_STATE*>(state));
}

bool StreamResampler::create(uint32_t from_hz, uint32_t to_hz, std::string* error) {
  state_.reset();
  ratio_ = static_cast<double>(to_hz) / from_hz;
  if (from_hz == to_hz) return true;
  if (from_hz == 0 || src_is_valid_ratio(ratio_) == 0) {
    *error = "cannot be brought from " + std::to_string(from_hz) + " Hz to " +
             std::to_string(to_hz) + " Hz";
    return false;
  }
  int code = 0;
  state_.reset(src_new(SRC_SINC_MEDIUM_QUALITY, 1, &code));
  if (state_ == nullptr) *error = std::string("cannot be resampled: ") + src_strerror(code);
  return state_ != nullptr;
}

size_t StreamResampler::capacity(size_t count) const {
  return static_cast<size_t>(std::ceil(static_cast<double>(count) * ratio_)) + 64;
}

size_t StreamResampler::run(const float* samples, size_t count, float* out) {
  if (state_ == nullptr) {
    std::copy_n(samples, count, out);
    return count;
  }
  const size_t room = capacity(count);
  size_t made = 0;
  while (count > 0) {
    SRC_DATA data{};
    data.data_in = samples;
    data.input_frames = static_cast<long>(count);
    data.data_out = out + made;
    data.output_frames = static_cast<long>(room - made);
    data.src_ratio = ratio_;
    if (src_process(static_cast<SRC_STATE*>(state_.get()), &data) != 0) break;
    if (data.input_frames_used == 0 && data.output_frames_gen == 0) break;
    samples += data.input_frames_used;
    count -= static_cast<size_t>(data.input_frames_used);
    made += static_cast<size_t>(data.output_frames_gen);
  }
  return made;
}

}  // namespace heed
