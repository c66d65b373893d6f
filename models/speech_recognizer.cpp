#include "models/speech_recognizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/heed.hpp"
#include "engine/tensor.h"
#include "models/task_info.h"
#include "ops/isa.h"

namespace heed {
namespace {

constexpr const char* kDecoder = "decode_step";
constexpr const char* kPrefill = "prefill";
constexpr size_t kFewTokens = 2;  // so many tokens are quicker one by one
constexpr double kTimestampS = 0.02;
constexpr size_t kPromptMax = 4;                // start, language, task, no timestamps
constexpr size_t kTimingMax = size_t{1} << 27;  // floats: all heads of Whisper's largest model
constexpr float kTemperatures[] = {0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f};
constexpr float kTemperatureTrusted = 0.5f;  // a text of a higher one tells the next nothing

void keep_last(std::vector<int32_t>* tokens, size_t most) {
  if (tokens->size() > most)
    tokens->erase(tokens->begin(), tokens->end() - static_cast<ptrdiff_t>(most));
}

/// Whatever a file claims, the rules write only within a row of logits.
bool fits(const SpeechTask& task, size_t vocabulary) {
  const WhisperTokens& t = task.tokens;
  const auto known = [vocabulary](int64_t token) {
    return token >= 0 && static_cast<size_t>(token) < vocabulary;
  };
  for (const int32_t token : {t.translate, t.transcribe, t.previous, t.no_speech, t.no_timestamps,
                              t.first_timestamp, t.first_language})
    if (token != -1 && !known(token)) return false;
  const bool timestamps = t.no_timestamps >= 0, languages = t.languages > 0;
  return known(t.start) && known(t.end) && timestamps == (t.first_timestamp >= 0) &&
         languages == (t.first_language >= 0) &&
         (!languages || (known(int64_t{t.first_language} + t.languages - 1) && t.translate >= 0 &&
                         t.transcribe >= 0)) &&
         (task.max_initial_timestamp == -1 || known(task.max_initial_timestamp));
}

}  // namespace

SpeechRecognizer::~SpeechRecognizer() { heed_session_destroy(session_); }

bool SpeechRecognizer::open_encoders(const AudioFrontendConfig& config, std::string* error) {
  heed_info info;
  heed_model_info(model_, &info);
  uint32_t heard = 0;
  for (int32_t i = 0; i < info.entry_points; ++i) {
    heed_entry_point entry{};
    heed_tensor mel{};
    if (heed_model_entry_point(model_, i, &entry) != HEED_OK) break;
    if (std::strncmp(entry.name, "encode", 6) != 0) continue;
    if (heed_session_input(session_, entry.name, "mel", &mel) != HEED_OK || mel.rank != 3) continue;
    auto bucket = std::make_unique<Bucket>();
    AudioFrontendConfig fitted = config;
    fitted.clip_samples = static_cast<uint32_t>(
        std::min<uint64_t>(static_cast<uint64_t>(mel.dims[2]) * config.hop_samples, UINT32_MAX));
    fitted.clip_samples_max -= heard;  // together
    IsaSet isa = detect_isa();
    parse_isa(heed_session_isa(session_), &isa);
    if (!bucket->frontend.create(fitted, isa, error)) return false;
    if (mel.type != HEED_F32 || mel.dims[1] != bucket->frontend.features() ||
        mel.dims[2] != bucket->frontend.frames()) {
      *error = std::string("the entry point '") + entry.name +
               "' does not take what the front end makes";
      return false;
    }
    heard += fitted.clip_samples;
    bucket->entry = entry.name;
    bucket->mel = static_cast<float*>(mel.data);
    bucket->samples = fitted.clip_samples;
    bucket->rows = static_cast<size_t>(mel.dims[2]) / 2;
    buckets_.push_back(std::move(bucket));
  }
  std::sort(buckets_.begin(), buckets_.end(),
            [](const auto& a, const auto& b) { return a->samples < b->samples; });
  if (buckets_.empty()) *error = "the model has no entry point that encodes sounds";
  return !buckets_.empty();
}

bool SpeechRecognizer::open_decoder(std::string* error) {
  heed_tensor tokens{}, position{}, encoded{}, logits{};
  if (heed_session_input(session_, kDecoder, "tokens", &tokens) != HEED_OK ||
      heed_session_input(session_, kDecoder, "position", &position) != HEED_OK ||
      heed_session_input(session_, kDecoder, "encoded", &encoded) != HEED_OK ||
      heed_session_output(session_, kDecoder, "logits", &logits) != HEED_OK ||
      tokens.type != HEED_I64 || position.type != HEED_I64 || encoded.type != HEED_I64 ||
      logits.type != HEED_F32 || logits.rank != 2 || logits.dims[0] != tokens.dims[0]) {
    *error = "the model has no decode_step from tokens, position and encoded to logits";
    return false;
  }
  tokens_ = static_cast<int64_t*>(tokens.data);
  position_ = static_cast<int64_t*>(position.data);
  encoded_ = static_cast<int64_t*>(encoded.data);
  logits_ = static_cast<const float*>(logits.data);
  rows_ = static_cast<size_t>(logits.dims[0]);
  vocabulary_ = static_cast<size_t>(logits.dims[1]);
  if (options_.beams < 1 || options_.beams > rows_) {
    *error = "the model follows " + std::to_string(rows_) +
             " sequences at once; more need a conversion with --dim beams=N";
    return false;
  }
  if (!find_caches()) {
    *error = "the model's caches do not have as many rows for each of its sequences";
    return false;
  }
  if (capacity_ < 16) *error = "the model has no caches for what it has said";
  return capacity_ >= 16;
}

/// Files of old have none: then the steps read what was said before, too.
bool SpeechRecognizer::open_prefill(std::string* error) {
  heed_tensor tokens{}, position{}, encoded{};
  if (heed_session_input(session_, kPrefill, "tokens", &tokens) != HEED_OK) return true;
  const auto number = [&](const char* name, heed_tensor* tensor) {
    return heed_session_input(session_, kPrefill, name, tensor) == HEED_OK &&
           tensor->type == HEED_I64 && tensor->bytes >= sizeof(int64_t);
  };
  if (tokens.type != HEED_I64 || tokens.rank != 2 || static_cast<size_t>(tokens.dims[0]) != rows_ ||
      tokens.dims[1] < 1 || !number("position", &position) || !number("encoded", &encoded)) {
    *error = "the model's prefill does not take what its decode_step takes";
    return false;
  }
  prefill_ = {static_cast<int64_t*>(tokens.data), static_cast<int64_t*>(position.data),
              static_cast<int64_t*>(encoded.data), static_cast<size_t>(tokens.dims[1])};
  return true;
}

/// The states that hold a row for each token of each sequence: those that are not the encoder's.
/// False where they are not alike: rows of one would be moved beyond the end of another.
bool SpeechRecognizer::find_caches() {
  heed_info info;
  heed_model_info(model_, &info);
  source_rows_ = buckets_.back()->rows;
  size_t largest = 0;
  for (int32_t i = 0; i < info.tensors; ++i) {
    heed_tensor t{};
    if (heed_session_tensor(session_, i, &t) != HEED_OK || t.storage != HEED_STATE) continue;
    if (std::strstr(t.name, "cross") != nullptr) continue;
    const bool plain = t.type == HEED_F32;
    if (t.rank != 3 || static_cast<size_t>(t.dims[0]) != rows_ ||
        (capacity_ > 0 && static_cast<size_t>(t.dims[1]) != capacity_) ||
        (!plain && t.type != HEED_Q8_KEYS && t.type != HEED_Q8_VALUES) ||
        (!plain && (t.group < 1 || t.dims[2] % t.group != 0)))
      return false;
    capacity_ = static_cast<size_t>(t.dims[1]);
    const size_t width = static_cast<size_t>(t.dims[2]);
    largest = std::max(largest, t.bytes);
    auto* data = static_cast<std::byte*>(t.data);
    if (plain) {
      cached_.push_back({data, width * sizeof(float), capacity_ * width * sizeof(float)});
      continue;
    }
    const auto layout = CacheLayout::of({3, {t.dims[0], t.dims[1], t.dims[2]}}, t.group);
    const size_t step = layout.panel_bytes * static_cast<size_t>(layout.heads);
    for (int32_t h = 0; h < layout.heads; ++h) {
      std::byte* panel = data + layout.panel_offset(0, h);
      cached_.push_back({panel, static_cast<size_t>(t.group), step});
      cached_.push_back({panel + layout.scale_offset, sizeof(float), step});
    }
  }
  if (rows_ > 1) moved_.resize(largest);
  return true;
}

/// Maps of the cross-attention heads that follow the sound; without a list of them, of all heads of
/// the upper half of the layers, as the original does.
bool SpeechRecognizer::open_words(std::string* error) {
  std::vector<heed_attention> cross;
  heed_attention attention{};
  for (int32_t i = 0; heed_model_attention(model_, kDecoder, i, &attention) == HEED_OK; ++i)
    if (std::strstr(attention.name, "encoder_attn") != nullptr) cross.push_back(attention);
  if (alignment_.empty())
    for (size_t layer = cross.size() / 2; layer < cross.size(); ++layer)
      for (int32_t head = 0; head < cross[layer].heads; ++head) {
        alignment_.push_back(static_cast<uint32_t>(layer));
        alignment_.push_back(static_cast<uint32_t>(head));
      }
  const size_t heads = alignment_.size() / 2;
  if (heads == 0) {
    *error = "the model has no cross-attention that words could be timed by";
    return false;
  }
  size_t there = 0;
  for (const heed_attention& layer : cross) there += static_cast<size_t>(layer.heads);
  bool among = heads <= there;
  for (size_t h = 0; h < heads && among; ++h)
    among = alignment_[2 * h] < cross.size() && cross[alignment_[2 * h]].keys == cross[0].keys;
  if (!among) {
    *error = "the model's alignment heads are not among its layers";
    return false;
  }
  const size_t keys = static_cast<size_t>(cross[0].keys);
  if (keys < buckets_.back()->rows) {
    *error = "the model's cross-attention does not reach to the end of what is heard";
    return false;
  }
  // One by one: their product may be beyond a size_t.
  if (heads > kTimingMax / keys || heads * keys > kTimingMax / (options_.tokens_max + 1) ||
      heads * keys > kTimingMax / rows_) {
    *error = "words cannot be timed by so many heads and keys";
    return false;
  }
  maps_.resize(heads * rows_ * keys);
  for (size_t h = 0; h < heads; ++h) alignment_ops_.push_back(cross[alignment_[2 * h]].op);
  source_rows_ = keys;
  timing_.create(heads, options_.tokens_max + 1, keys);
  return true;
}

/// What the user says of the sound is text before its first window.
bool SpeechRecognizer::open_prompt(std::string* error) {
  previous_max_ = capacity_ / 2 - 1;
  prompt_.reserve(capacity_ + kPromptMax);
  previous_.reserve(previous_max_ + options_.tokens_max);
  constexpr const char* kSpaces = " \t\r\n";
  const size_t begin = options_.prompt.find_first_not_of(kSpaces);
  if (begin == std::string::npos) return true;
  if (!has_tokenizer_ || rules_.tokens().previous < 0) {
    *error = "the model takes no text that was said before";
    return false;
  }
  const size_t end = options_.prompt.find_last_not_of(kSpaces) + 1;
  const std::string text = " " + options_.prompt.substr(begin, end - begin);
  before_.resize(text.size() + 1);
  before_.resize(tokenizer_.encode(text, before_.data(), before_.size()));
  keep_last(&before_, previous_max_);
  return true;
}

bool SpeechRecognizer::create(const heed_model* model, const heed_options& engine,
                              const SpeechOptions& options, std::string* error) {
  model_ = model;
  options_ = options;
  AudioTask audio;
  SpeechTask speech;
  if (!audio_task(*model, &audio) || !speech_task(*model, &speech)) {
    *error = "the model says nothing about how speech is written down";
    return false;
  }
  Diagnostic diagnostic;
  if (heed_session_create(model, &engine, nullptr, 0, &session_, &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  rate_hz_ = audio.frontend.sample_rate_hz;
  languages_ = speech.languages;
  alignment_ = speech.alignment_heads;
  max_initial_timestamp_ = speech.max_initial_timestamp;
  if (!open_encoders(audio.frontend, error) || !open_decoder(error) || !open_prefill(error))
    return false;
  if (!fits(speech, vocabulary_)) {
    *error = "the model's special tokens are not in its vocabulary";
    return false;
  }
  rules_.create(speech.tokens, vocabulary_, speech.suppressed, speech.begin_suppressed);
  options_.tokens_max = std::min(options_.tokens_max, capacity_ - kPromptMax);
  search_.create(rows_, options_.tokens_max);
  log_.resize(rows_ * vocabulary_);
  if (!options_.language.empty() && !languages_.empty()) {
    const auto found = std::find(languages_.begin(), languages_.end(), options_.language);
    if (found == languages_.end()) {
      *error = "the model does not know the language '" + options_.language + "'";
      return false;
    }
    language_token_ =
        speech.tokens.first_language + static_cast<int32_t>(found - languages_.begin());
  }
  has_tokenizer_ = text_task(*model);
  if (has_tokenizer_ && !tokenizer_.create(*model, error)) return false;
  return open_prompt(error) && (!options_.words || open_words(error));
}

bool SpeechRecognizer::encode(const float* samples, size_t count, std::string* error) {
  const auto fits = std::find_if(buckets_.begin(), buckets_.end(),
                                 [count](const auto& b) { return b->samples >= count; });
  Bucket& bucket = fits == buckets_.end() ? *buckets_.back() : **fits;
  bucket.frontend.compute(samples, std::min(count, bucket.samples), bucket.mel);
  Diagnostic diagnostic;
  if (heed_session_run(session_, bucket.entry.c_str(), &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  heard_ = &bucket;
  return true;
}

bool SpeechRecognizer::run_step(size_t position, std::string* error) {
  *position_ = static_cast<int64_t>(position);
  *encoded_ = static_cast<int64_t>(heard_->rows);
  Diagnostic diagnostic;
  if (heed_session_run(session_, kDecoder, &diagnostic) == HEED_OK) return true;
  *error = diagnostic.text();
  return false;
}

bool SpeechRecognizer::find_language(std::string* error) {
  if (languages_.empty() || language_token_ >= 0) return true;
  std::fill_n(tokens_, rows_, rules_.tokens().start);
  if (!run_step(0, error)) return false;
  const float* first = logits_ + rules_.tokens().first_language;
  language_token_ =
      static_cast<int32_t>(std::max_element(first, first + languages_.size()) - logits_);
  return true;
}

/// The prompt as far as it is there goes into the caches. Rows of a chunk behind its last token
/// repeat it: what they leave in the caches is overwritten by what comes.
bool SpeechRecognizer::read_previous(std::string* error) {
  for (size_t at = 0; at < prompt_.size();) {
    const size_t taken = std::min(prompt_.size() - at, prefill_.rows);
    if (taken <= kFewTokens || at + prefill_.rows > capacity_) {
      std::fill_n(tokens_, rows_, prompt_[at]);
      if (!run_step(at++, error)) return false;
      continue;
    }
    for (size_t i = 0; i < rows_ * prefill_.rows; ++i)
      prefill_.tokens[i] = prompt_[at + std::min(i % prefill_.rows, taken - 1)];
    *prefill_.position = static_cast<int64_t>(at);
    *prefill_.encoded = static_cast<int64_t>(heard_->rows);
    Diagnostic diagnostic;
    if (heed_session_run(session_, kPrefill, &diagnostic) != HEED_OK) {
      *error = diagnostic.text();
      return false;
    }
    at += taken;
  }
  return true;
}

/// What was said before; start, language, task, and that no timestamps are wanted: all rows alike.
/// Leaves the logits after the last of them.
bool SpeechRecognizer::read_prompt(std::span<const int32_t> before, bool timestamps,
                                   std::string* error) {
  const WhisperTokens& t = rules_.tokens();
  prompt_.clear();
  if (!before.empty() && t.previous >= 0) {
    prompt_.push_back(t.previous);
    prompt_.insert(prompt_.end(), before.begin(), before.end());
    if (!read_previous(error)) return false;
  }
  const size_t start = prompt_.size();
  prompt_.push_back(t.start);
  if (language_token_ >= 0) {
    prompt_.push_back(language_token_);
    prompt_.push_back(options_.translate ? t.translate : t.transcribe);
  }
  if (!timestamps && t.no_timestamps >= 0) prompt_.push_back(t.no_timestamps);
  for (size_t p = start; p < prompt_.size(); ++p) {
    std::fill_n(tokens_, rows_, prompt_[p]);
    if (!run_step(p, error)) return false;
    if (p != start || t.no_speech < 0) continue;
    std::copy_n(logits_, vocabulary_, log_.begin());
    log_softmax_in_place(log_.data(), vocabulary_);
    no_speech_ = std::exp(static_cast<double>(log_[static_cast<size_t>(t.no_speech)]));
  }
  return true;
}

/// Sequence r goes on from what sequence parent(r) has said: its rows of every cache follow.
void SpeechRecognizer::reorder(size_t rows_there) {
  bool same = true;
  for (size_t r = 0; r < search_.rows(); ++r) same = same && search_.parent(r) == r;
  if (same) return;
  // Rows of a block lie between each other.
  const size_t whole_blocks = round_up(rows_there, kCachedPanelRows);
  for (const StateRows& rows : cached_) {
    const size_t used = std::min(whole_blocks * rows.row_bytes, rows.step);
    for (size_t r = 0; r < search_.rows(); ++r)
      std::memcpy(moved_.data() + r * used, rows.data + search_.parent(r) * rows.step, used);
    for (size_t r = 0; r < search_.rows(); ++r)
      std::memcpy(rows.data + r * rows.step, moved_.data() + r * used, used);
  }
}

bool SpeechRecognizer::decode(float temperature, Said* said, std::string* error) {
  if (!read_prompt(previous_, options_.timestamps, error)) return false;
  const size_t rows = temperature == 0 ? options_.beams : rows_;
  search_.begin(rows, temperature, 1, rules_.tokens().end);
  for (bool going = true; going;) {
    for (size_t r = 0; r < rows; ++r) {
      float* log = log_.data() + r * vocabulary_;
      std::copy_n(logits_ + r * vocabulary_, vocabulary_, log);
      rules_.apply(search_.said(r), {options_.timestamps, max_initial_timestamp_}, log);
      log_softmax_in_place(log, vocabulary_);
    }
    const size_t position = prompt_.size() + search_.length();
    going = search_.step(log_.data(), vocabulary_) && position < capacity_;
    if (!going) break;
    reorder(position);
    for (size_t r = 0; r < rows_; ++r)
      tokens_[r] = r < rows ? search_.token(r) : rules_.tokens().end;
    if (!run_step(position, error)) return false;
  }
  const Hypotheses::Result best = search_.best();
  said->tokens.assign(best.tokens.begin(), best.tokens.end());
  said->mean_log_probability = best.mean();
  said->no_speech = no_speech_;
  said->temperature = temperature;
  const std::string text = text_of(said->tokens.data(), said->tokens.size());
  said->compression_ratio = static_cast<float>(compression_ratio(text.data(), text.size()));
  return true;
}

bool SpeechRecognizer::decode_with_fallback(Said* said, std::string* error) {
  for (const float temperature : kTemperatures) {
    if (!decode(temperature, said, error)) return false;
    const bool loops = said->compression_ratio > options_.compression_ratio_max;
    const bool unsure =
        said->mean_log_probability < static_cast<double>(options_.mean_log_probability_min);
    const bool silent = said->no_speech > static_cast<double>(options_.no_speech_max) && unsure;
    if (!options_.fallback || silent || !(loops || unsure)) return true;
  }
  return true;
}

std::string SpeechRecognizer::text_of(const int32_t* tokens, size_t count) const {
  std::string text;
  for (size_t i = 0; has_tokenizer_ && i < count; ++i)
    if (tokens[i] < rules_.tokens().end) text += tokenizer_.text_of(tokens[i], false);
  return text;
}

/// A window's tokens as segments; how far the next window is.
void SpeechRecognizer::cut(const Said& said, double offset_s, double content_s,
                           std::vector<SpokenSegment>* out, double* advance_s) {
  const int32_t first = rules_.tokens().first_timestamp;
  const std::vector<int32_t>& tokens = said.tokens;
  const auto is_time = [&](size_t i) { return first >= 0 && tokens[i] >= first; };
  const auto time = [&](size_t i) {
    return std::min(kTimestampS * (tokens[i] - first), content_s);
  };
  const auto add = [&](size_t begin, size_t end, double from_s, double to_s) {
    SpokenSegment segment{};
    segment.begin_s = offset_s + from_s;
    segment.end_s = offset_s + to_s;
    segment.tokens.assign(tokens.begin() + static_cast<ptrdiff_t>(begin),
                          tokens.begin() + static_cast<ptrdiff_t>(end));
    segment.text = text_of(segment.tokens.data(), segment.tokens.size());
    segment.mean_log_probability = static_cast<float>(said.mean_log_probability);
    segment.no_speech = static_cast<float>(said.no_speech);
    segment.temperature = said.temperature;
    segment.compression_ratio = said.compression_ratio;
    const bool words = std::any_of(segment.tokens.begin(), segment.tokens.end(),
                                   [&](int32_t t) { return t < rules_.tokens().end; });
    if (words) out->push_back(std::move(segment));
  };
  const size_t n = tokens.size();
  const bool single_end = n >= 2 && is_time(n - 1) && !is_time(n - 2);
  size_t last = 0;
  for (size_t i = 1; i < n; ++i) {
    if (!is_time(i) || !is_time(i - 1)) continue;
    add(last, i, time(last), time(i - 1));
    last = i;
  }
  *advance_s = content_s;
  if (last > 0) {
    if (single_end)
      add(last, n, time(last), time(n - 1));
    else if (time(last - 1) > 0)
      *advance_s = time(last - 1);
    return;
  }
  double end_s = content_s;
  for (size_t i = n; i-- > 0;)
    if (is_time(i)) {
      if (tokens[i] != first) end_s = time(i);
      break;
    }
  add(0, n, 0, end_s);
}

/// Adds what the alignment heads, in the mean, looked at while they said a token.
void SpeechRecognizer::look(size_t token, std::vector<float>* sum) {
  if (!options_.attention) return;
  sum->resize(heard_->rows, 0.0f);
  for (size_t h = 0; h < timing_.heads(); ++h)
    for (size_t k = 0; k < sum->size(); ++k)
      (*sum)[k] += timing_.row(h, token)[k] / static_cast<float>(timing_.heads());
}

/// Says the segment's words once more and watches where cross-attention looks.
bool SpeechRecognizer::time_words(SpokenSegment* segment, double offset_s, double content_s,
                                  std::string* error) {
  std::vector<int32_t> text;
  for (const int32_t token : segment->tokens)
    if (token < rules_.tokens().end) text.push_back(token);
  if (!read_prompt({}, true, error)) return false;
  const size_t heads = timing_.heads(), keys = source_rows_;
  Diagnostic diagnostic;
  for (size_t h = 0; h < heads; ++h)
    if (heed_attention_tap(session_, kDecoder, alignment_ops_[h],
                           static_cast<int32_t>(alignment_[2 * h + 1]),
                           maps_.data() + h * rows_ * keys, rows_ * keys * sizeof(float),
                           &diagnostic) != HEED_OK) {
      *error = diagnostic.text();
      return false;
    }
  bool done = true;
  // Row i is the query that says token i: the one before it. The last says the end.
  for (size_t i = 0; done && i <= text.size(); ++i) {
    const int32_t before = i > 0                                ? text[i - 1]
                           : rules_.tokens().no_timestamps >= 0 ? rules_.tokens().no_timestamps
                                                                : prompt_.back();
    std::fill_n(tokens_, rows_, before);
    done = run_step(prompt_.size() + i, error);
    for (size_t h = 0; done && h < heads; ++h)
      std::copy_n(maps_.data() + h * rows_ * keys, keys, timing_.row(h, i));
  }
  heed_attention_clear(session_);
  if (!done) return false;
  std::vector<size_t> word_of(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string piece = text_of(&text[i], 1);
    if (segment->words.empty() || (!piece.empty() && piece[0] == ' '))
      segment->words.push_back({"", 0, 0, {}, offset_s});
    SpokenWord& word = segment->words.back();
    word.text += piece;
    look(i, &word.attention);
    word_of[i] = segment->words.size() - 1;
  }
  const auto starts = timing_.align(text.size() + 1, heard_->rows);
  // The encoder hears silence after the sound; nothing is said there.
  const auto time = [&](size_t i) {
    return offset_s + std::min(kTimestampS * starts[i], content_s);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    SpokenWord& word = segment->words[word_of[i]];
    if (i == 0 || word_of[i] != word_of[i - 1]) word.begin_s = time(i);
    word.end_s = time(i + 1);
  }
  return true;
}

/// The next window goes on from these segments, unless they are not to be trusted.
void SpeechRecognizer::remember(const Said& said, std::span<const SpokenSegment> segments) {
  if (!options_.previous_text || said.temperature > kTemperatureTrusted) return previous_.clear();
  for (const SpokenSegment& segment : segments)
    previous_.insert(previous_.end(), segment.tokens.begin(), segment.tokens.end());
  keep_last(&previous_, previous_max_);
}

bool SpeechRecognizer::recognize(const float* samples, size_t count,
                                 std::vector<SpokenSegment>* segments, std::string* error) {
  segments->clear();
  previous_.assign(before_.begin(), before_.end());
  if (options_.language.empty()) language_token_ = -1;
  for (size_t at = 0; at < count;) {
    const size_t content = std::min(count - at, buckets_.back()->samples);
    if (!encode(samples + at, content, error) || !find_language(error)) return false;
    Said said;
    if (!decode_with_fallback(&said, error)) return false;
    const double offset_s = static_cast<double>(at) / rate_hz_,
                 content_s = static_cast<double>(content) / rate_hz_;
    double advance_s = content_s;
    const bool silent =
        said.no_speech > static_cast<double>(options_.no_speech_max) &&
        said.mean_log_probability < static_cast<double>(options_.mean_log_probability_min);
    const size_t first = segments->size();
    if (!silent) cut(said, offset_s, content_s, segments, &advance_s);
    if (!silent) remember(said, std::span(*segments).subspan(first));
    for (size_t i = first; options_.words && i < segments->size(); ++i)
      if (!time_words(&(*segments)[i], offset_s, content_s, error)) return false;
    at += std::max<size_t>(1, static_cast<size_t>(std::lround(advance_s * rate_hz_)));
  }
  language_ =
      language_token_ < 0
          ? ""
          : languages_[static_cast<size_t>(language_token_ - rules_.tokens().first_language)];
  return true;
}

}  // namespace heed
