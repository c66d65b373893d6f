#include "models/sound_stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/heed.hpp"
#include "models/task_info.h"
#include "models/task_session.h"
#include "ops/isa.h"

namespace heed {
namespace {

size_t windows_of(uint32_t ms, uint32_t rate_hz, size_t hop, size_t at_least) {
  const double samples = 1e-3 * ms * rate_hz;
  return std::max(at_least, static_cast<size_t>(std::lround(samples / static_cast<double>(hop))));
}

}  // namespace

SoundStream::~SoundStream() {
  heed_session_destroy(session_);
  if (session_memory_ != nullptr)
    memory_->deallocate(session_memory_, session_bytes_, HEED_ALIGNMENT);
}

bool SoundStream::create_session(const heed_options& options, std::string* error) {
  Diagnostic diagnostic;
  if (heed_memory_needed(model_, &options, &session_bytes_, &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  session_memory_ = memory_->allocate(session_bytes_, HEED_ALIGNMENT);
  if (heed_session_create(model_, &options, session_memory_, session_bytes_, &session_,
                          &diagnostic) != HEED_OK ||
      heed_session_input(session_, nullptr, nullptr, &input_) != HEED_OK ||
      heed_session_output(session_, nullptr, nullptr, &output_) != HEED_OK) {
    *error = session_ == nullptr ? diagnostic.text() : "the model has no input or no output";
    return false;
  }
  return true;
}

bool SoundStream::create_frontend(const AudioFrontendConfig& config, std::string* error) {
  waveform_ = config.kind == "pcm";
  clip_ = config.clip_samples;
  rate_hz_ = config.sample_rate_hz;
  if (clip_ == 0 || clip_ > (1u << 28) || rate_hz_ == 0) {
    *error = "the model's task names no clip length or no sample rate that a stream could have";
    return false;
  }
  size_t wanted = clip_;
  if (!waveform_) {
    IsaSet isa = detect_isa();
    parse_isa(heed_session_isa(session_), &isa);
    if (!frontend_.create(config, isa, error)) return false;
    wanted = static_cast<size_t>(frontend_.frames()) * static_cast<size_t>(frontend_.features());
  }
  if (input_.type != HEED_F32 || input_.bytes != wanted * sizeof(float)) {
    *error = "the model's front end makes " + std::to_string(wanted) + " values, but its input '" +
             input_.name + "' takes " + std::to_string(input_.bytes / sizeof(float));
    return false;
  }
  if (!waveform_) rows_.assign(wanted, 0.0f);
  if (output_.type != HEED_F32 || output_.bytes == 0) {
    *error = std::string("the model's output '") + output_.name + "' does not hold float32 values";
    return false;
  }
  return true;
}

bool SoundStream::create_detector(std::string* error) {
  const DetectionTask detection = detection_task(*model_);
  const size_t frame = waveform_ ? 1 : frontend_.config().hop_samples;
  hop_ = detection.stream_hop_samples;
  if (hop_ == 0) hop_ = std::max<size_t>(clip_ / 10 / frame, 1) * frame;
  if (hop_ > clip_) {
    *error = "the task's stream_hop_samples is longer than its clip: sounds would be missed";
    return false;
  }
  incremental_ = !waveform_ && frontend_.frames_are_independent() && hop_ % frame == 0 &&
                 !frontend_.config().features_first;
  const size_t classes = output_.bytes / sizeof(float);
  probabilities_.assign(classes, 0.0f);
  const auto windows = [&](uint32_t ms, size_t at_least) {
    return windows_of(ms, rate_hz_, hop_, at_least);
  };
  if (voice_) {
    speech_label_ = static_cast<int32_t>(classes) - 1;
    for (size_t c = 0; c < classes; ++c)
      if (!std::strcmp(label(static_cast<int32_t>(c)), "speech"))
        speech_label_ = static_cast<int32_t>(c);
    const float release = std::max(0.0f, detection.threshold - 0.15f);
    speech_.create(windows(detection.min_speech_ms, 1), windows(detection.min_silence_ms, 1),
                   detection.threshold, release);
    return true;
  }
  constexpr size_t kHistoryMax = size_t{1} << 22;  // probabilities
  const size_t smoothing = windows(detection.smoothing_ms, 1);
  if (smoothing > kHistoryMax / std::max<size_t>(classes, 1)) {
    *error = "the task's smoothing_ms covers more windows than are kept: make it shorter";
    return false;
  }
  keywords_.create(classes, smoothing, windows(detection.refractory_ms, 0), detection.threshold);
  for (size_t c = 0; c < classes; ++c) {
    const char* name = label(static_cast<int32_t>(c));
    const auto& ignored = detection.ignored;
    if (ignored.empty() ? name[0] == '_'
                        : std::find(ignored.begin(), ignored.end(), name) != ignored.end())
      keywords_.ignore(c);
  }
  return true;
}

bool SoundStream::create(const heed_model* model, const heed_options& options, std::string* error) {
  const std::string kind = task_kind(*model);
  AudioTask audio;
  voice_ = kind == "voice_activity";
  if ((!voice_ && kind != "keyword_spotting") || !audio_task(*model, &audio)) {
    *error =
        "a stream needs a model whose task is keyword_spotting or voice_activity, with a front end "
        "for sounds";
    return false;
  }
  model_ = model;
  probability_ = output_is_probability(*model);
  if (!create_session(options, error) || !create_frontend(audio.frontend, error) ||
      !create_detector(error))
    return false;
  wave_.assign(clip_, 0.0f);
  return true;
}

const char* SoundStream::label(int32_t index) const {
  const char* text = heed_model_label(model_, index);
  return text == nullptr ? "" : text;
}

void SoundStream::reset() {
  heed_session_reset(session_);
  keywords_.reset();
  speech_.reset();
  filled_ = 0;
  windows_ = 0;
}

void SoundStream::fill_input() {
  float* input = static_cast<float*>(input_.data);
  if (waveform_) {
    std::copy(wave_.begin(), wave_.end(), input);
    return;
  }
  if (!incremental_) {
    frontend_.compute(wave_.data(), clip_, rows_.data());
  } else {
    const size_t frames = static_cast<size_t>(frontend_.frames()),
                 features = static_cast<size_t>(frontend_.features()),
                 step = frontend_.config().hop_samples;
    const size_t added = windows_ == 0 ? frames : std::min(frames, hop_ / step),
                 kept = frames - added;
    std::copy(rows_.begin() + static_cast<ptrdiff_t>(added * features), rows_.end(), rows_.begin());
    frontend_.compute_frames(wave_.data() + kept * step, static_cast<int32_t>(added),
                             rows_.data() + kept * features);
  }
  std::copy(rows_.begin(), rows_.end(), input);
}

void SoundStream::say_speech(SpeechSegmenter::Change change, SoundEvent* event) const {
  if (change == SpeechSegmenter::Change::none) return;
  const bool ended = change == SpeechSegmenter::Change::end;
  event->kind = ended ? SoundEventKind::speech_end : SoundEventKind::speech_begin;
  event->label = speech_label_;
  event->score = speech_.mean();
  event->begin = speech_.first() * static_cast<int64_t>(hop_);
  event->end =
      ended ? speech_.last() * static_cast<int64_t>(hop_) + static_cast<int64_t>(clip_) : 0;
}

void SoundStream::say(SoundEvent* event) {
  std::memcpy(probabilities_.data(), output_.data, probabilities_.size() * sizeof(float));
  if (!probability_) softmax_in_place(probabilities_.data(), probabilities_.size());
  if (voice_)
    return say_speech(speech_.add(probabilities_[static_cast<size_t>(speech_label_)]), event);
  const int32_t heard = keywords_.add(probabilities_.data());
  if (heard < 0) return;
  event->kind = SoundEventKind::keyword;
  event->label = heard;
  event->score = keywords_.average(heard);
  event->begin = windows_ * static_cast<int64_t>(hop_);
  event->end = event->begin + static_cast<int64_t>(clip_);
}

bool SoundStream::listen(const float** samples, size_t* count, SoundEvent* event,
                         heed_diagnostic* diagnostic) {
  *event = {};
  const size_t taken = std::min(*count, clip_ - filled_);
  std::copy_n(*samples, taken, wave_.begin() + static_cast<ptrdiff_t>(filled_));
  *samples += taken;
  *count -= taken;
  filled_ += taken;
  if (filled_ < clip_) return true;
  fill_input();
  if (heed_session_run(session_, nullptr, diagnostic) != HEED_OK) return false;
  say(event);
  ++windows_;
  std::copy(wave_.begin() + static_cast<ptrdiff_t>(hop_), wave_.end(), wave_.begin());
  filled_ = clip_ - hop_;
  return true;
}

void SoundStream::finish(SoundEvent* event) {
  *event = {};
  if (voice_) say_speech(speech_.finish(), event);
}

}  // namespace heed
