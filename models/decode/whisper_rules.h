#pragma once
// Which tokens Whisper may say next: the suppressed ones, the first ones, and the grammar of its
// timestamps, as the original decoding does it. All of it works on one row of logits, in place.

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <span>
#include <vector>

namespace heed {

/// The special tokens; -1 where a model has none.
struct WhisperTokens {
  int32_t end = -1;             // <|endoftext|>: text tokens lie below it
  int32_t start = -1;           // <|startoftranscript|>
  int32_t first_language = -1;  // <|en|>; only in multilingual models
  int32_t languages = 0;
  int32_t translate = -1, transcribe = -1;
  int32_t previous = -1;   // <|startofprev|>
  int32_t no_speech = -1;  // <|nospeech|>
  int32_t no_timestamps = -1;
  int32_t first_timestamp = -1;  // <|0.00|>; timestamps are the last tokens, 20 ms apart
};

class WhisperRules {
 public:
  explicit WhisperRules(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : suppressed_(memory), begin_suppressed_(memory) {}

  /// `suppressed` are never said, `begin_suppressed` not first (the blank and the end).
  void create(const WhisperTokens& tokens, size_t vocabulary, std::span<const int32_t> suppressed,
              std::span<const int32_t> begin_suppressed);

  struct Options {
    bool timestamps = true;
    int32_t max_initial_timestamp = 50;  // a second; -1: any
  };

  /// Sets the logits of tokens that may not follow `said` (what came after the prompt) to minus
  /// infinity, and all text where timestamps together are more probable than any text token.
  void apply(std::span<const int32_t> said, const Options& options, float* logits) const;

  const WhisperTokens& tokens() const { return tokens_; }
  size_t vocabulary() const { return vocabulary_; }

 private:
  void apply_timestamps(std::span<const int32_t> said, const Options& options, float* logits) const;

  WhisperTokens tokens_;
  size_t vocabulary_ = 0;
  std::pmr::vector<int32_t> suppressed_, begin_suppressed_;
};

/// logits[i] - log(sum of exp(logits)), in place, the sum in double; -inf stays.
void log_softmax_in_place(float* logits, size_t count);

}  // namespace heed
