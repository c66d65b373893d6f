#include "models/audio/audio_frontend.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/elementwise/elementwise.h"
#include "ops/matmul/matmul.h"

namespace heed {
namespace {

constexpr int32_t kBlockFrames = 48;  // frames whose logarithms and cosines are taken together
static_assert(kBlockFrames % kFftLanes == 0);
constexpr double kPi = std::numbers::pi;

double htk_mel(double hz) { return 1127.0 * std::log(1.0 + hz / 700.0); }

// Linear below 1 kHz, logarithmic above: 27 steps to a factor of 6.4.
constexpr double kSlaneyStepHz = 200.0 / 3.0, kSlaneyBreakHz = 1000.0;
const double kSlaneyLogStep = std::log(6.4) / 27.0;
double slaney_mel(double hz) {
  const double knee = kSlaneyBreakHz / kSlaneyStepHz;
  return hz < kSlaneyBreakHz ? hz / kSlaneyStepHz
                             : knee + std::log(hz / kSlaneyBreakHz) / kSlaneyLogStep;
}
double slaney_hz(double mel) {
  const double knee = kSlaneyBreakHz / kSlaneyStepHz;
  return mel < knee ? mel * kSlaneyStepHz
                    : kSlaneyBreakHz * std::exp(kSlaneyLogStep * (mel - knee));
}

// bank[m][f], f < bins
std::vector<float> filter_bank(const AudioFrontendConfig& c, int32_t bins) {
  const int32_t mels = static_cast<int32_t>(c.mel_bins);
  const bool slaney = c.mel_scale == "slaney";
  std::vector<double> edges(static_cast<size_t>(mels) + 2);
  const double low = slaney ? slaney_mel(c.mel_low_hz) : htk_mel(c.mel_low_hz);
  const double high = slaney ? slaney_mel(c.mel_high_hz) : htk_mel(c.mel_high_hz);
  for (size_t i = 0; i < edges.size(); ++i) {
    const double mel = low + (high - low) * static_cast<double>(i) / (mels + 1);
    edges[i] = slaney ? slaney_hz(mel) : mel;
  }
  std::vector<double> places(static_cast<size_t>(bins));
  for (size_t f = 0; f < places.size(); ++f) {
    const double hz = static_cast<double>(f) * c.sample_rate_hz / c.fft_size;
    places[f] = slaney ? hz : htk_mel(hz);
  }
  std::vector<float> bank(static_cast<size_t>(mels) * static_cast<size_t>(bins), 0.0f);
  for (int32_t m = 0; m < mels; ++m) {
    const double left = edges[static_cast<size_t>(m)], top = edges[static_cast<size_t>(m) + 1],
                 right = edges[static_cast<size_t>(m) + 2];
    for (int32_t f = slaney ? 0 : 1; f < bins; ++f) {
      const double at = places[static_cast<size_t>(f)];
      const double height =
          std::max(0.0, std::min((at - left) / (top - left), (right - at) / (right - top)));
      bank[static_cast<size_t>(m) * static_cast<size_t>(bins) + static_cast<size_t>(f)] =
          static_cast<float>(slaney ? height * 2.0 / (right - left) : height);
    }
  }
  return bank;
}

bool check(const AudioFrontendConfig& c, std::string* error) {
  const bool mfcc = c.kind == "mfcc";
  const auto refuse = [&](const char* why) {
    *error = why;
    return false;
  };
  if (!mfcc && c.kind != "log_mel")
    return refuse("the front end's kind is neither \"mfcc\" nor \"log_mel\"");
  if (c.sample_rate_hz == 0 || c.sample_rate_hz > 768000)
    return refuse("the front end's sample rate is out of range");
  if (c.window_samples == 0 || c.hop_samples == 0 || c.fft_size < c.window_samples ||
      c.fft_size > 65536)
    return refuse("the front end's window, hop and FFT size do not fit together");
  if (!RealFft::takes(static_cast<int32_t>(c.fft_size)))
    return refuse("the front end's FFT size has a prime factor above 61");
  if (c.clip_samples < c.window_samples || c.clip_samples > c.clip_samples_max)
    return refuse("the front end's clip is shorter than one window, or far too long");
  if (c.mel_bins == 0 || c.mel_bins > 1024 ||
      (mfcc && (c.coefficients == 0 || c.coefficients > c.mel_bins)))
    return refuse("the front end's numbers of mel bins and coefficients do not fit together");
  if ((uint64_t{c.clip_samples} / c.hop_samples + 1) * (mfcc ? c.coefficients : c.mel_bins) >
      4 * uint64_t{c.clip_samples_max})
    return refuse("the front end makes far too many features of its clip");
  if (!(c.mel_low_hz >= 0) || !(c.mel_high_hz > c.mel_low_hz) ||
      c.mel_high_hz > 0.5f * static_cast<float>(c.sample_rate_hz))
    return refuse("the front end's mel range is not within 0 Hz and half the sample rate");
  if (c.mel_scale != "htk" && c.mel_scale != "slaney")
    return refuse("the front end's mel scale is neither \"htk\" nor \"slaney\"");
  if (c.power != 1.0f && c.power != 2.0f) return refuse("the front end's power is neither 1 nor 2");
  if (!(c.log_floor > 0)) return refuse("the front end's log floor is not positive");
  if (!(c.log_offset >= 0) || !(c.log_offset < 1))
    return refuse("the front end's log offset is not between 0 and 1");
  if (!(c.preemphasis >= 0) || !(c.preemphasis < 1))
    return refuse("the front end's preemphasis is not between 0 and 1");
  if (!c.normalize.empty() && c.normalize != "whisper" && c.normalize != "per_feature")
    return refuse("the front end's normalisation is none of \"\", \"whisper\", \"per_feature\"");
  return true;
}

}  // namespace

bool AudioFrontend::create(const AudioFrontendConfig& config, IsaSet isa, std::string* error) {
  if (!check(config, error)) return false;
  config_ = config;
  kernels_ = choose_kernels(isa);
  const int32_t window = static_cast<int32_t>(config.window_samples),
                mels = static_cast<int32_t>(config.mel_bins);
  const uint32_t hop = config.hop_samples;
  frames_ =
      static_cast<int32_t>(config.center ? config.clip_samples / hop
                                         : (config.clip_samples - config.window_samples) / hop + 1);
  features_ = config.kind == "mfcc" ? static_cast<int32_t>(config.coefficients) : mels;

  // Bins above the highest filter carry nothing.
  bins_ = std::min(
      static_cast<int32_t>(config.fft_size / 2 + 1),
      static_cast<int32_t>(std::ceil(config.mel_high_hz * static_cast<float>(config.fft_size) /
                                     static_cast<float>(config.sample_rate_hz))) +
          1);
  fft_.create(static_cast<int32_t>(config.fft_size));
  window_.resize(config.window_samples);
  const int32_t period = config.symmetric_window ? std::max(1, window - 1) : window;
  for (int32_t n = 0; n < window; ++n)
    window_[static_cast<size_t>(n)] =
        static_cast<float>(0.5 - 0.5 * std::cos(2.0 * kPi * n / period));
  add_filters();
  if (config.kind == "mfcc") {
    std::vector<float> dct(static_cast<size_t>(features_) * config.mel_bins);
    for (int32_t c = 0; c < features_; ++c)
      for (int32_t m = 0; m < mels; ++m)
        dct[static_cast<size_t>(c) * config.mel_bins + static_cast<size_t>(m)] =
            static_cast<float>(std::sqrt(2.0 / mels) * std::cos(kPi * c * (m + 0.5) / mels));
    cosine_.resize(matmul_packed_floats(features_, mels));
    pack_matmul(dct.data(), features_, mels, cosine_.data());
  }
  wave_.assign(config.clip_samples + 2 * (config.center ? config.window_samples / 2 : 0) +
                   config.window_samples,
               0.0f);
  energy_.resize(static_cast<size_t>(bins_ * kFftLanes));
  mel_.resize(static_cast<size_t>(kBlockFrames) * config.mel_bins);
  if (config.features_first)
    rows_.resize(static_cast<size_t>(frames_) * static_cast<size_t>(features_));
  return true;
}

// Of each filter only the bins between its first and its last weight that is not zero.
void AudioFrontend::add_filters() {
  filters_.clear();
  bank_.clear();
  const std::vector<float> bank = filter_bank(config_, bins_);
  for (uint32_t m = 0; m < config_.mel_bins; ++m) {
    const float* row = bank.data() + static_cast<size_t>(m) * static_cast<size_t>(bins_);
    int32_t first = 0, last = bins_;
    while (first < bins_ && row[first] == 0.0f) ++first;
    while (last > first && row[last - 1] == 0.0f) --last;
    filters_.push_back({first, last - first, static_cast<int32_t>(bank_.size())});
    bank_.insert(bank_.end(), row + first, row + last);
  }
}

void AudioFrontend::fill_wave(const float* samples, size_t count) {
  const size_t clip = config_.clip_samples, pad = config_.center ? config_.window_samples / 2 : 0;
  count = std::min(count, clip);
  std::copy(samples, samples + count, wave_.begin() + static_cast<ptrdiff_t>(pad));
  std::fill(wave_.begin() + static_cast<ptrdiff_t>(pad + count), wave_.end(), 0.0f);
  if (config_.preemphasis != 0)
    for (size_t i = count; i-- > 1;) wave_[pad + i] -= config_.preemphasis * wave_[pad + i - 1];
  for (size_t i = 0; i < pad && !config_.zero_padded; ++i) {
    wave_[pad - 1 - i] = wave_[pad + 1 + i];
    wave_[pad + clip + i] = wave_[pad + clip - 2 - i];
  }
}

// The energies of at most kFftLanes frames; lanes without a frame are zeros.
void AudioFrontend::energies(const float* samples, int32_t rows) {
  const size_t window = config_.window_samples, lanes = static_cast<size_t>(kFftLanes);
  float* in = fft_.input();
  for (size_t l = 0; l < lanes; ++l) {
    const float* frame = samples + l * config_.hop_samples;
    if (static_cast<int32_t>(l) < rows)
      for (size_t n = 0; n < window; ++n) in[n * lanes + l] = frame[n] * window_[n];
    else
      for (size_t n = 0; n < window; ++n) in[n * lanes + l] = 0.0f;
  }
  std::fill_n(in + window * lanes, (config_.fft_size - window) * lanes, 0.0f);
  fft_.power(bins_, energy_.data());
  if (config_.power == 1.0f)
    for (float& value : energy_) value = std::sqrt(value);
}

void AudioFrontend::mels(int32_t rows, float* out) const {
  constexpr size_t kLanes = static_cast<size_t>(kFftLanes);
  for (size_t m = 0; m < filters_.size(); ++m) {
    const float* weight = bank_.data() + filters_[m].at;
    const float* energy = energy_.data() + static_cast<size_t>(filters_[m].first) * kLanes;
    float sum[kLanes] = {};
    for (int32_t f = 0; f < filters_[m].count; ++f)
      for (size_t l = 0; l < kLanes; ++l)
        sum[l] += weight[f] * energy[static_cast<size_t>(f) * kLanes + l];
    for (size_t l = 0; l < static_cast<size_t>(rows); ++l)
      out[l * filters_.size() + m] = std::max(sum[l] + config_.log_offset, config_.log_floor);
  }
}

void AudioFrontend::compute_frames(const float* samples, int32_t rows, float* out) {
  const int32_t mel_bins = static_cast<int32_t>(config_.mel_bins);
  for (int32_t first = 0; first < rows; first += kBlockFrames) {
    const int32_t block = std::min(kBlockFrames, rows - first);
    float* features = out + static_cast<ptrdiff_t>(first) * features_;
    float* mel = cosine_.empty() ? features : mel_.data();
    for (int32_t t = 0; t < block; t += kFftLanes) {
      const int32_t lanes = std::min(kFftLanes, block - t);
      energies(samples + static_cast<size_t>(first + t) * config_.hop_samples, lanes);
      mels(lanes, mel + static_cast<ptrdiff_t>(t) * mel_bins);
    }
    kernels_.elementwise->unary({mel, mel, static_cast<int64_t>(block) * mel_bins}, UnaryKind::log);
    if (!cosine_.empty())
      kernels_.matmul->run({mel, mel_bins, cosine_.data(), mel_bins * 16, 16, nullptr, features,
                            features_, block, mel_bins},
                           0, features_);
  }
}

int32_t AudioFrontend::frames_in(size_t count) const {
  return static_cast<int32_t>(
      std::min<size_t>(static_cast<size_t>(frames_),
                       std::min<size_t>(count, config_.clip_samples) / config_.hop_samples));
}

void AudioFrontend::normalize_features(int32_t frames, float* rows) const {
  const auto width = static_cast<size_t>(features_), there = static_cast<size_t>(frames);
  for (size_t f = 0; f < width; ++f) {
    double sum = 0, squares = 0;
    for (size_t t = 0; t < there; ++t) sum += static_cast<double>(rows[t * width + f]);
    const double mean = sum / std::max(1, frames);
    for (size_t t = 0; t < there; ++t) {
      const double d = static_cast<double>(rows[t * width + f]) - mean;
      squares += d * d;
    }
    const double factor = 1 / (std::sqrt(squares / std::max(1, frames - 1)) + 1e-5);
    for (size_t t = 0; t < there; ++t)
      rows[t * width + f] =
          static_cast<float>((static_cast<double>(rows[t * width + f]) - mean) * factor);
  }
  std::fill(rows + there * width, rows + static_cast<size_t>(frames_) * width, 0.0f);
}

void AudioFrontend::compute(const float* samples, size_t count, float* out) {
  fill_wave(samples, count);
  float* rows = config_.features_first ? rows_.data() : out;
  compute_frames(wave_.data(), frames_, rows);
  const size_t total = static_cast<size_t>(frames_) * static_cast<size_t>(features_);
  if (config_.normalize == "whisper") {
    constexpr float kLog10E = 0.43429448190325182765f;
    float top = rows[0];
    for (size_t i = 1; i < total; ++i) top = std::max(top, rows[i]);
    const float floor = top * kLog10E - 8.0f;
    for (size_t i = 0; i < total; ++i) rows[i] = (std::max(rows[i] * kLog10E, floor) + 4.0f) / 4.0f;
  }
  if (config_.normalize == "per_feature") normalize_features(frames_in(count), rows);
  if (config_.features_first)
    for (int32_t t = 0; t < frames_; ++t)
      for (int32_t f = 0; f < features_; ++f)
        out[static_cast<size_t>(f) * static_cast<size_t>(frames_) + static_cast<size_t>(t)] =
            rows[static_cast<size_t>(t) * static_cast<size_t>(features_) + static_cast<size_t>(f)];
}

}  // namespace heed
