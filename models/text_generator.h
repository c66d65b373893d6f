#pragma once
// Texts that go on: a decoder with caches, one token after the other.

#include <string>
#include <string_view>
#include <vector>

#include "models/decode/sampler.h"
#include "models/task_session.h"
#include "models/text/tokenizer.h"

namespace heed {

class TextGenerator {
 public:
  /// `model` must have the entry point decode_step (input_ids and position to logits), may have
  /// prefill (a chunk of tokens, and `row`: whose logits), and must outlive this object. Returns
  /// false with a sentence in `error`. A tokenizer is needed for texts alone.
  bool create(const heed_model* model, const heed_options& options, const SamplerOptions& sampling,
              std::string* error);

  /// Forgets what was, and reads a prompt; one longer than the model's context is an error. After
  /// that the allocation is over: start and next allocate nothing unless they fail.
  bool start(std::string_view prompt, std::string* error);
  bool start_tokens(const int32_t* tokens, size_t count, std::string* error);

  /// Chooses the next token and what it adds to the text. Returns false at the end: a stop token, a
  /// full context, or a failure, of which `error` then tells.
  bool next(int32_t* token, std::string_view* text, std::string* error);

  /// Of what was read and chosen last: the next token comes from these.
  const float* logits() const { return logits_; }
  size_t vocabulary() const { return vocabulary_; }
  size_t prompt_tokens() const { return prompt_; }
  size_t context() const { return context_; }
  bool has_tokenizer() const { return has_tokenizer_; }
  heed_session* session() const { return task_.session(); }
  Tokenizer& tokenizer() { return tokenizer_; }
  /// Reads one token more, whether it was chosen or not.
  bool feed(int32_t token, std::string* error);

 private:
  struct Entry {
    std::string name;
    int64_t* ids = nullptr;
    int64_t* position = nullptr;
    int64_t* row = nullptr;
    const float* logits = nullptr;
    size_t rows = 0, vocabulary = 0;
  };
  bool open(const char* name, Entry* entry, std::string* error) const;
  bool run(const Entry& entry, std::string* error);
  bool feed_chunk(const int32_t* tokens, size_t count, std::string* error);

  TaskSession task_;
  Tokenizer tokenizer_;
  Sampler sampler_;
  Entry step_, chunk_;  // chunk_.rows 0: the model has no prefill
  bool has_tokenizer_ = false, pending_ = false;
  int32_t last_ = -1;  // pending_: chosen, but not read yet
  size_t position_ = 0, context_ = 0, prompt_ = 0, vocabulary_ = 0, made_ = 0;
  const float* logits_ = nullptr;
  std::vector<int32_t> prompt_ids_;
};

}  // namespace heed
