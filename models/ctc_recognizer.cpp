#include "models/ctc_recognizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/heed.hpp"
#include "models/decode/whisper_rules.h"
#include "models/task_info.h"
#include "ops/isa.h"

namespace heed {
namespace {

constexpr double kContextS = 1.0;                  // what the model hears beside a frame, at least
constexpr double kPauseS = 0.5;                    // parts segments
constexpr uint32_t kFeatureSamplesMax = 1u << 28;  // whose features are kept

bool is_special(const std::string& label) {
  return label.size() > 2 && label.front() == '<' && label.back() == '>';
}

}  // namespace

CtcRecognizer::~CtcRecognizer() { heed_session_destroy(session_); }

/// The sound or its features, and perhaps how much of them is there.
bool CtcRecognizer::open_inputs(const char* entry, Length* length, heed_tensor* input) {
  heed_tensor tensor{};
  size_t told = 0;
  for (int32_t i = 0; heed_model_input(model_, entry, i, &tensor) == HEED_OK; ++i) {
    if (heed_session_input(session_, entry, tensor.name, &tensor) != HEED_OK) return false;
    if (tensor.type == HEED_I64 && length->there == nullptr) {
      length->there = static_cast<int64_t*>(tensor.data);
      told = tensor.bytes / sizeof(int64_t);
    } else if (tensor.type == HEED_F32 && length->input == nullptr) {
      *input = tensor;
      length->input = static_cast<float*>(tensor.data);
    } else {
      return false;
    }
  }
  if (length->input == nullptr || length->there == nullptr) return length->input != nullptr;
  if (audio_.kind == "pcm") return told == 1;
  return input->rank == 3 && told == static_cast<size_t>(input->dims[1]);
}

/// Makes the front end fit a sound of so many samples: most sounds are as long as an entry point.
bool CtcRecognizer::fit_frontend(size_t samples, std::string* error) {
  if (samples == frontend_samples_) return true;
  frontend_samples_ = 0;
  if (samples > kFeatureSamplesMax) {
    *error = "the sound is too long: cut it";
    return false;
  }
  AudioFrontendConfig config = audio_;
  config.clip_samples = static_cast<uint32_t>(samples);
  config.clip_samples_max = kFeatureSamplesMax;
  IsaSet isa = detect_isa();
  parse_isa(heed_session_isa(session_), &isa);
  if (!frontend_.create(config, isa, error)) return false;
  frontend_samples_ = samples;
  return true;
}

/// The input is rows of the front end's features, a whole number of them for each row of scores.
bool CtcRecognizer::open_features(const heed_tensor& input, size_t rows, Length* length,
                                  std::string* error) {
  if (input.rank != 3 || input.dims[1] < 1 || rows == 0) return false;
  const auto frames = static_cast<size_t>(input.dims[1]), step = frames / rows;
  length->samples = frames * audio_.hop_samples;
  if (length->samples > audio_.clip_samples_max) return false;
  if (!fit_frontend(length->samples, error)) return false;
  if (hop_ == 0) hop_ = step * audio_.hop_samples;
  bins_ = static_cast<size_t>(frontend_.features());
  return frames % rows == 0 && hop_ == step * audio_.hop_samples && !audio_.features_first &&
         static_cast<size_t>(frontend_.frames()) == frames && input.dims[2] == frontend_.features();
}

bool CtcRecognizer::open_lengths(std::string* error) {
  heed_info info;
  heed_model_info(model_, &info);
  for (int32_t i = 0; i < info.entry_points; ++i) {
    heed_entry_point entry{};
    heed_tensor input{}, output{};
    Length length{};
    if (heed_model_entry_point(model_, i, &entry) != HEED_OK) break;
    bool fits = open_inputs(entry.name, &length, &input) &&
                heed_session_output(session_, entry.name, nullptr, &output) == HEED_OK &&
                output.type == HEED_F32 && output.rank == 3 && output.dims[0] == 1 &&
                static_cast<size_t>(output.dims[2]) == labels_.size();
    if (fits && audio_.kind == "pcm") {
      length.samples = input.bytes / sizeof(float);
      hop_ = audio_.hop_samples;
      fits = length.samples >= audio_.window_samples &&
             static_cast<size_t>(output.dims[1]) == frames_of(length.samples);
    } else if (fits) {
      fits = open_features(input, static_cast<size_t>(output.dims[1]), &length, error);
    }
    if (!fits) {
      if (error->empty())
        *error = std::string("the entry point '") + entry.name +
                 "' does not give scores of the model's labels for each frame of a sound";
      return false;
    }
    length.entry = entry.name;
    length.output = static_cast<const float*>(output.data);
    length.frames = static_cast<size_t>(output.dims[1]);
    lengths_.push_back(length);
  }
  std::sort(lengths_.begin(), lengths_.end(),
            [](const Length& a, const Length& b) { return a.samples < b.samples; });
  if (lengths_.empty()) *error = "the model has no entry point that takes sounds";
  return !lengths_.empty();
}

/// Rows of scores that a sound has.
size_t CtcRecognizer::frames_of(size_t samples) const {
  if (audio_.kind == "pcm")
    return samples < audio_.window_samples ? 0 : (samples - audio_.window_samples) / hop_ + 1;
  return (samples / audio_.hop_samples * audio_.hop_samples + hop_ - 1) / hop_;
}

bool CtcRecognizer::read_labels(std::string* error) {
  heed_info info;
  heed_model_info(model_, &info);
  for (int32_t i = 0; i < info.labels; ++i) labels_.emplace_back(heed_model_label(model_, i));
  const auto blank = std::find(labels_.begin(), labels_.end(), "");
  if (blank == labels_.end()) {
    *error = "the model has no label \"\", which stands for nothing said";
    return false;
  }
  blank_ = static_cast<int32_t>(blank - labels_.begin());
  return true;
}

bool CtcRecognizer::create(const heed_model* model, const heed_options& engine,
                           const SpeechOptions& options, std::string* error) {
  model_ = model;
  options_ = options;
  AudioTask audio;
  if (!audio_task(*model, &audio) ||
      (audio.frontend.kind != "pcm" && audio.frontend.kind != "log_mel") ||
      audio.frontend.sample_rate_hz == 0 || audio.frontend.hop_samples == 0 ||
      audio.frontend.window_samples == 0) {
    *error = "the model says nothing about how speech is written down";
    return false;
  }
  audio_ = audio.frontend;
  if (!options.language.empty() || options.translate) {
    *error = "the model knows one language, and does not translate";
    return false;
  }
  if (!options.prompt.empty()) {
    *error = "the model takes no text that was said before";
    return false;
  }
  if (options.attention) {
    *error = "no attention of the model follows the sound from word to word";
    return false;
  }
  if (options.beams < 1 || options.beams > 64) {
    *error = "between 1 and 64 texts are followed at once";
    return false;
  }
  Diagnostic diagnostic;
  if (heed_session_create(model, &engine, nullptr, 0, &session_, &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  return read_labels(error) && open_lengths(error);
}

/// Mean and inverse deviation of a sound, as the model wants its samples.
CtcRecognizer::Level CtcRecognizer::level_of(const float* samples, size_t count) const {
  if (audio_.normalize != "unit" || count == 0) return {0.0f, 1.0f};
  double mean = 0, squares = 0;
  for (size_t i = 0; i < count; ++i) mean += static_cast<double>(samples[i]);
  mean /= static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) {
    const double d = static_cast<double>(samples[i]) - mean;
    squares += d * d;
  }
  return {static_cast<float>(mean),
          static_cast<float>(1 / std::sqrt(squares / static_cast<double>(count) + 1e-7))};
}

/// Features of the whole sound, so that none of them ends or is normalised where a window does; and
/// of silence behind it, which the last window sees.
bool CtcRecognizer::compute_features(const float* samples, size_t count, std::string* error) {
  const Length* whole = shortest_for(count);
  const size_t hop = audio_.hop_samples;
  const size_t rows =
      whole != nullptr ? whole->samples / hop : (count + lengths_.back().samples) / hop;
  if (!fit_frontend(rows * hop, error)) return false;
  features_.resize(static_cast<size_t>(frontend_.frames()) * bins_);
  frontend_.compute(samples, count, features_.data());
  features_.resize(rows * bins_, 0.0f);
  return true;
}

const CtcRecognizer::Length* CtcRecognizer::shortest_for(size_t samples) const {
  const auto found = std::find_if(lengths_.begin(), lengths_.end(),
                                  [samples](const Length& l) { return l.samples >= samples; });
  return found == lengths_.end() ? nullptr : &*found;
}

/// What an entry point hears from row `first` of the scores on; samples, count: from there to the
/// sound's end.
void CtcRecognizer::fill(size_t first, const float* samples, size_t count, const Level& level,
                         const Length& length) const {
  count = std::min(count, length.samples);
  if (bins_ == 0) {
    for (size_t i = 0; i < count; ++i) length.input[i] = (samples[i] - level.shift) * level.factor;
    std::fill(length.input + count, length.input + length.samples, 0.0f);
    if (length.there != nullptr) *length.there = static_cast<int64_t>(frames_of(count));
    return;
  }
  const size_t hop = audio_.hop_samples, rows = length.samples / hop, there = count / hop;
  const float* from = features_.data() + first * (hop_ / hop) * bins_;
  std::copy(from, from + rows * bins_, length.input);
  if (length.there != nullptr)
    std::fill(std::fill_n(length.there, there, 1), length.there + rows, 0);
}

/// Log probabilities of all frames. Of a window in the middle of a sound the frames at its ends are
/// left to its neighbours, which hear both of their sides.
bool CtcRecognizer::score(const float* samples, size_t count, std::string* error) {
  const size_t labels = labels_.size(), frames = frames_of(count);
  scores_.clear();
  if (bins_ != 0 && !compute_features(samples, count, error)) return false;
  const Level level = level_of(samples, count);
  const size_t context =
      std::min(static_cast<size_t>(kContextS * audio_.sample_rate_hz / static_cast<double>(hop_)),
               lengths_.back().frames / 4);
  scores_.reserve(frames * labels);
  for (size_t done = 0; done < frames;) {
    const size_t first = done - std::min(done, context), left = count - first * hop_;
    const Length* fits = shortest_for(left);
    const bool last = fits != nullptr;
    const Length& length = last ? *fits : lengths_.back();
    fill(first, samples + first * hop_, left, level, length);
    Diagnostic diagnostic;
    if (heed_session_run(session_, length.entry.c_str(), &diagnostic) != HEED_OK) {
      *error = diagnostic.text();
      return false;
    }
    const size_t end = last ? frames : first + length.frames - context;
    scores_.insert(scores_.end(), length.output + (done - first) * labels,
                   length.output + (end - first) * labels);
    for (; done < end; ++done) log_softmax_in_place(scores_.data() + done * labels, labels);
  }
  return true;
}

bool CtcRecognizer::is_quiet(size_t frame) const {
  const float* row = scores_.data() + frame * labels_.size();
  const auto best = static_cast<size_t>(std::max_element(row, row + labels_.size()) - row);
  return best == static_cast<size_t>(blank_) || labels_[best] == " ";
}

double CtcRecognizer::seconds(size_t frame) const {
  return static_cast<double>(frame * hop_) / audio_.sample_rate_hz;
}

/// Words begin with a space between them, but for the first.
void CtcRecognizer::add_words(size_t first, const std::vector<int32_t>& frames,
                              SpokenSegment* segment) const {
  bool begins = true;
  for (size_t i = 0; i < segment->tokens.size(); ++i) {
    const std::string& label = labels_[static_cast<size_t>(segment->tokens[i])];
    if (is_special(label)) continue;
    begins = begins || label.starts_with(' ');
    if (label == " ") continue;
    const size_t frame = first + static_cast<size_t>(frames[i]);
    if (begins) {
      SpokenWord& word = segment->words.emplace_back();
      word.text = segment->words.size() == 1 ? "" : " ";
      word.begin_s = seconds(frame);
    }
    begins = false;
    segment->words.back().text += label.starts_with(' ') ? label.substr(1) : label;
    segment->words.back().end_s = seconds(frame + 1);
  }
}

void CtcRecognizer::read_segment(size_t first, size_t end, SpokenSegment* segment) {
  const size_t frames = end - first, labels = labels_.size();
  const float* rows = scores_.data() + first * labels;
  std::vector<int32_t> begins(frames);
  segment->begin_s = seconds(first);
  segment->end_s = seconds(end);
  double sum = 0;
  if (options_.beams > 1) {
    CtcBeam beam;
    beam.create(options_.beams, labels, frames, frames);
    const CtcBeam::Result best = beam.search(rows, frames, blank_);
    segment->tokens.assign(best.labels.begin(), best.labels.end());
    sum = best.log_probability;
    if (options_.words) (void)ctc_align(rows, frames, labels, blank_, best.labels, begins.data());
  } else {
    segment->tokens.resize(frames);
    segment->tokens.resize(
        ctc_greedy(rows, frames, labels, blank_, segment->tokens.data(), begins.data()));
    for (size_t f = 0; f < frames; ++f)
      sum += static_cast<double>(*std::max_element(rows + f * labels, rows + (f + 1) * labels));
  }
  segment->mean_log_probability = static_cast<float>(sum / static_cast<double>(frames));
  std::string& text = segment->text;
  for (const int32_t token : segment->tokens) {
    const std::string& label = labels_[static_cast<size_t>(token)];
    if (is_special(label)) continue;
    const bool parted = text.empty() || text.back() == ' ';
    text += parted && label.starts_with(' ') ? label.substr(1) : label;
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  if (options_.words) add_words(first, begins, segment);
}

bool CtcRecognizer::recognize(const float* samples, size_t count,
                              std::vector<SpokenSegment>* segments, std::string* error) {
  segments->clear();
  if (!score(samples, count, error)) return false;
  const size_t frames = scores_.size() / labels_.size();
  const auto pause =
      static_cast<size_t>(kPauseS * audio_.sample_rate_hz / static_cast<double>(hop_));
  for (size_t at = 0; at < frames;) {
    while (at < frames && is_quiet(at)) ++at;
    size_t end = at, quiet = 0;  // of the last frame that says something, and frames since
    for (size_t f = at; f < frames && quiet <= pause; ++f) {
      quiet = is_quiet(f) ? quiet + 1 : 0;
      if (quiet == 0) end = f + 1;
    }
    if (end == at) break;
    SpokenSegment segment;
    read_segment(at, end, &segment);
    if (!segment.text.empty()) segments->push_back(std::move(segment));
    at = end;
  }
  return true;
}

}  // namespace heed
