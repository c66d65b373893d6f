#include "models/decode/whisper_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace heed {
namespace {

constexpr float kRuledOut = -std::numeric_limits<float>::infinity();

double log_sum_exp(const float* values, size_t count) {
  float top = kRuledOut;
  for (size_t i = 0; i < count; ++i) top = std::max(top, values[i]);
  if (top == kRuledOut) return static_cast<double>(kRuledOut);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(std::exp(values[i] - top));
  return static_cast<double>(top) + std::log(sum);
}

}  // namespace

void log_softmax_in_place(float* logits, size_t count) {
  const float norm = static_cast<float>(log_sum_exp(logits, count));
  if (norm == kRuledOut) return;
  for (size_t i = 0; i < count; ++i) logits[i] -= norm;
}

void WhisperRules::create(const WhisperTokens& tokens, size_t vocabulary,
                          std::span<const int32_t> suppressed,
                          std::span<const int32_t> begin_suppressed) {
  tokens_ = tokens;
  vocabulary_ = vocabulary;
  const auto add = [vocabulary](std::pmr::vector<int32_t>* to, int32_t token) {
    if (token >= 0 && static_cast<size_t>(token) < vocabulary) to->push_back(token);
  };
  suppressed_.clear();
  begin_suppressed_.clear();
  for (const int32_t token : suppressed) add(&suppressed_, token);
  // What is never text: the words of the prompt.
  for (const int32_t token :
       {tokens.start, tokens.translate, tokens.transcribe, tokens.previous, tokens.no_speech})
    add(&suppressed_, token);
  for (int32_t i = 0; i < tokens.languages; ++i) add(&suppressed_, tokens.first_language + i);
  for (const int32_t token : begin_suppressed) add(&begin_suppressed_, token);
}

void WhisperRules::apply(std::span<const int32_t> said, const Options& options,
                         float* logits) const {
  for (const int32_t token : suppressed_) logits[token] = kRuledOut;
  if (said.empty())
    for (const int32_t token : begin_suppressed_) logits[token] = kRuledOut;
  if (tokens_.no_timestamps < 0 || !options.timestamps) return;
  logits[tokens_.no_timestamps] = kRuledOut;
  apply_timestamps(said, options, logits);
}

void WhisperRules::apply_timestamps(std::span<const int32_t> said, const Options& options,
                                    float* logits) const {
  const int32_t first = tokens_.first_timestamp;
  const auto is_timestamp = [&](size_t back) { return said[said.size() - back] >= first; };
  const auto forbid = [&](int32_t from, int32_t to) {
    if (from < to) std::fill(logits + from, logits + to, kRuledOut);
  };
  const int32_t end = static_cast<int32_t>(vocabulary_);
  // They come in pairs, an end and the next begin, except directly before the end.
  const bool last = !said.empty() && is_timestamp(1);
  const bool penultimate = said.size() < 2 || is_timestamp(2);
  if (last && penultimate) forbid(first, end);
  if (last && !penultimate) forbid(0, tokens_.end);
  // They do not run backwards, and no segment is empty.
  for (size_t i = said.size(); i-- > 0;)
    if (said[i] >= first) {
      forbid(first, said[i] + (last && !penultimate ? 0 : 1));
      break;
    }
  if (said.empty()) {
    forbid(0, first);
    if (options.max_initial_timestamp >= 0) forbid(first + options.max_initial_timestamp + 1, end);
  }
  const double timestamps = log_sum_exp(logits + first, vocabulary_ - static_cast<size_t>(first));
  const float text = *std::max_element(logits, logits + first);
  if (timestamps > static_cast<double>(text)) forbid(0, first);
}

}  // namespace heed
