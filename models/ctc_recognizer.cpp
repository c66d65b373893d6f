#include "models/ctc_recognizer.h"

#include <algorithm>
#include <cmath>

#include "engine/heed.hpp"
#include "models/decode/whisper_rules.h"
#include "models/task_info.h"

namespace heed {
namespace {

constexpr double kContextS = 1.0;  // what the model hears beside a frame, at least
constexpr double kPauseS = 0.5;    // parts segments

bool is_special(const std::string& label) {
  return label.size() > 2 && label.front() == '<' && label.back() == '>';
}

}  // namespace

CtcRecognizer::~CtcRecognizer() { heed_session_destroy(session_); }

bool CtcRecognizer::open_lengths(std::string* error) {
  heed_info info;
  heed_model_info(model_, &info);
  for (int32_t i = 0; i < info.entry_points; ++i) {
    heed_entry_point entry{};
    heed_tensor input{}, output{};
    if (heed_model_entry_point(model_, i, &entry) != HEED_OK ||
        heed_session_input(session_, entry.name, nullptr, &input) != HEED_OK ||
        heed_session_output(session_, entry.name, nullptr, &output) != HEED_OK)
      break;
    const size_t samples = input.bytes / sizeof(float);
    const bool fits = input.type == HEED_F32 && output.type == HEED_F32 && output.rank == 3 &&
                      output.dims[0] == 1 &&
                      static_cast<size_t>(output.dims[2]) == labels_.size() &&
                      samples >= audio_.window_samples &&
                      static_cast<size_t>(output.dims[1]) ==
                          (samples - audio_.window_samples) / audio_.hop_samples + 1;
    if (!fits) {
      *error = std::string("the entry point '") + entry.name +
               "' does not give scores of the model's labels for each frame of a sound";
      return false;
    }
    lengths_.push_back({entry.name, static_cast<float*>(input.data),
                        static_cast<const float*>(output.data), samples,
                        static_cast<size_t>(output.dims[1])});
  }
  std::sort(lengths_.begin(), lengths_.end(),
            [](const Length& a, const Length& b) { return a.samples < b.samples; });
  if (lengths_.empty()) *error = "the model has no entry point that takes sounds";
  return !lengths_.empty();
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
  if (!audio_task(*model, &audio) || audio.frontend.kind != "pcm" ||
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
  if (options.attention) {
    *error = "no attention of the model follows the sound from word to word";
    return false;
  }
  if (options.beams < 1 || options.beams > 64) {
    *error = "between 1 and 64 texts are followed at once";
    return false;
  }
  if (options.words && options.beams > 1) {
    *error = "when words were said is known without a beam only";
    return false;
  }
  Diagnostic diagnostic;
  if (heed_session_create(model, &engine, nullptr, 0, &session_, &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  return read_labels(error) && open_lengths(error);
}

/// Log probabilities of all frames. Of a window in the middle of a sound the frames at its ends are
/// left to its neighbours, which hear both of their sides.
bool CtcRecognizer::score(const float* samples, size_t count, std::string* error) {
  const size_t labels = labels_.size(), hop = audio_.hop_samples, window = audio_.window_samples;
  scores_.clear();
  if (count < window) return true;
  double mean = 0, squares = 0;
  for (size_t i = 0; i < count; ++i) mean += static_cast<double>(samples[i]);
  mean /= static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) {
    const double d = static_cast<double>(samples[i]) - mean;
    squares += d * d;
  }
  const bool unit = audio_.normalize == "unit";
  const float shift = unit ? static_cast<float>(mean) : 0.0f;
  const float factor =
      unit ? static_cast<float>(1 / std::sqrt(squares / static_cast<double>(count) + 1e-7)) : 1.0f;
  const size_t frames = (count - window) / hop + 1;
  const size_t context =
      std::min(static_cast<size_t>(kContextS * audio_.sample_rate_hz / static_cast<double>(hop)),
               lengths_.back().frames / 4);
  scores_.reserve(frames * labels);
  for (size_t done = 0; done < frames;) {
    const size_t first = done - std::min(done, context), left = count - first * hop;
    const auto found = std::find_if(lengths_.begin(), lengths_.end(),
                                    [left](const Length& l) { return l.samples >= left; });
    const bool last = found != lengths_.end();
    const Length& length = last ? *found : lengths_.back();
    const size_t heard = std::min(left, length.samples);
    for (size_t i = 0; i < heard; ++i)
      length.input[i] = (samples[first * hop + i] - shift) * factor;
    std::fill(length.input + heard, length.input + length.samples, 0.0f);
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
  return static_cast<double>(frame) * audio_.hop_samples / audio_.sample_rate_hz;
}

/// Words begin with a space between them, but for the first.
void CtcRecognizer::add_words(size_t first, const std::vector<int32_t>& frames,
                              SpokenSegment* segment) const {
  bool begins = true;
  for (size_t i = 0; i < segment->tokens.size(); ++i) {
    const std::string& label = labels_[static_cast<size_t>(segment->tokens[i])];
    if (is_special(label)) continue;
    if (label == " ") {
      begins = true;
      continue;
    }
    const size_t frame = first + static_cast<size_t>(frames[i]);
    if (begins) {
      SpokenWord& word = segment->words.emplace_back();
      word.text = segment->words.size() == 1 ? "" : " ";
      word.begin_s = seconds(frame);
    }
    begins = false;
    segment->words.back().text += label;
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
    if (is_special(label) || (label == " " && (text.empty() || text.back() == ' '))) continue;
    text += label;
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  if (options_.words) add_words(first, begins, segment);
}

bool CtcRecognizer::recognize(const float* samples, size_t count,
                              std::vector<SpokenSegment>* segments, std::string* error) {
  segments->clear();
  if (!score(samples, count, error)) return false;
  const size_t frames = scores_.size() / labels_.size();
  const auto pause = static_cast<size_t>(kPauseS * audio_.sample_rate_hz / audio_.hop_samples);
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
