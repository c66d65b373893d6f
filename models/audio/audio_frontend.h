#pragma once
// From a waveform to the rows of features that a speech model takes: MFCC or log-mel.
//
//   x[i]      = sample[i] - preemphasis sample[i-1]
//   frame t   = x[t * hop .. t * hop + window - 1]      center: window / 2 samples more at both
//                                                       ends, x reflected or zeros
//   X[t,f]    = sum_n frame[n] w[n] e^(-2 pi i f n / fft)   w: Hann, periodic or symmetric
//   S[t,f]    = |X[t,f]|^power                              power 1 or 2
//   M[t,m]    = sum_f S[t,f] bank[m,f]
//   L[t,m]    = ln(max(M + offset, floor))
//   mfcc[t,c] = sqrt(2 / mels) sum_m L[t,m] cos(pi c (m + 1/2) / mels)
//
// Normalisation. "whisper": log10, then max(L, max over the clip - 8), then (L + 4) / 4.
// "per_feature": (L - mean) / (deviation + 1e-5) of each feature over the frames that begin within
// the sound, of which there are samples / hop; rows of zeros after them.
//
// Filter banks. "htk": triangles of height 1, linear in mel = 1127 ln(1 + f / 700), bin 0 unused.
// "slaney": triangles linear in Hz, of unit area, edges equally spaced on Slaney's scale.
//
// The transform is an FFT over four frames at a time, the filter bank sums each triangle where it
// is not zero, both in plain loops without fused operations: the same bits on every machine.

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <string>
#include <vector>

#include "models/audio/real_fft.h"
#include "ops/kernel_set.h"

namespace heed {

struct AudioFrontendConfig {
  std::string kind;  // "mfcc" or "log_mel"
  uint32_t sample_rate_hz = 16000;
  uint32_t clip_samples = 0;  // required: the clip is cut or padded with zeros to this
  /// What a file may ask for: 64 MB. Where the sound, which is there, is as long, it may be more.
  uint32_t clip_samples_max = 1u << 24;
  uint32_t window_samples = 0;
  uint32_t hop_samples = 0;
  uint32_t fft_size = 0;  // >= window_samples
  uint32_t mel_bins = 0;
  float mel_low_hz = 0, mel_high_hz = 0;
  uint32_t coefficients = 0;      // mfcc only
  std::string mel_scale = "htk";  // or "slaney"
  float power = 2;
  float log_floor = 1e-10f;
  float log_offset = 0;
  float preemphasis = 0;          // below 1
  std::string normalize;          // "", "whisper" or "per_feature"
  bool symmetric_window = false;  // its last sample is zero, as its first
  bool center = false;
  bool zero_padded = false;     // center: zeros at both ends, not x reflected
  bool features_first = false;  // [features, frames] instead of [frames, features]
};

class AudioFrontend {
 public:
  /// All that lives as long as this object comes from `memory`.
  explicit AudioFrontend(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : fft_(memory),
        window_(memory),
        bank_(memory),
        cosine_(memory),
        wave_(memory),
        energy_(memory),
        mel_(memory),
        rows_(memory),
        filters_(memory) {}

  /// Builds the tables. Returns false with a clause in `error` for constants that make no sense.
  bool create(const AudioFrontendConfig& config, IsaSet isa, std::string* error);

  int32_t frames() const { return frames_; }
  int32_t features() const { return features_; }
  const AudioFrontendConfig& config() const { return config_; }

  /// Computes the features of `count` samples into `out`: frames() * features() floats. Allocates
  /// nothing.
  void compute(const float* samples, size_t count, float* out);

  /// Frames that begin within a sound of `count` samples.
  int32_t frames_in(size_t count) const;

  /// Whether a frame's features depend on its own samples alone: then those of a stream are
  /// computed once, by compute_frames().
  bool frames_are_independent() const {
    return !config_.center && config_.normalize.empty() && config_.preemphasis == 0;
  }

  /// The features, [rows][features()], of the `rows` frames that begin at samples[t * hop]: all
  /// their samples are there. The bits of compute(). Allocates nothing.
  void compute_frames(const float* samples, int32_t rows, float* out);

 private:
  struct Filter {
    int32_t first, count, at;  // bins, and where their weights lie in bank_
  };
  void add_filters();
  void fill_wave(const float* samples, size_t count);
  void energies(const float* samples, int32_t rows);
  void mels(int32_t rows, float* out) const;
  void normalize_features(int32_t frames, float* rows) const;

  AudioFrontendConfig config_;
  KernelSet kernels_{};
  int32_t frames_ = 0, features_ = 0, bins_ = 0;
  RealFft fft_;
  std::pmr::vector<float> window_, bank_;
  std::pmr::vector<float> cosine_;  // packed for the matmul kernel
  std::pmr::vector<float> wave_, energy_, mel_;
  std::pmr::vector<float> rows_;  // [frames][features], when the output is transposed
  std::pmr::vector<Filter> filters_;
};

}  // namespace heed
