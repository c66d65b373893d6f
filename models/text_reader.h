#pragma once
// Texts to what an encoder makes of them: a sentence's embedding, or the scores of its classes.

#include <string>
#include <string_view>
#include <vector>

#include "models/task_session.h"
#include "models/text/tokenizer.h"

namespace heed {

class TextReader {
 public:
  /// `model` must carry a tokenizer and outlive this object. Returns false with a sentence in
  /// `error`.
  bool create(const heed_model* model, const heed_options& options, const std::string& entry_point,
              std::string* error);

  /// Runs the model on a text; one that is longer than the model's input is cut. Allocates nothing
  /// unless it fails.
  bool read(std::string_view text, std::string* error);

  /// The model's first output for the text read last: an embedding, or logits.
  const float* values() const { return static_cast<const float*>(task_.outputs()[0].data); }
  size_t width() const { return task_.outputs()[0].bytes / sizeof(float); }
  /// Softmax of it.
  void probabilities(float* out) const;
  /// Tokens of the text read last, those around it included.
  size_t tokens() const { return tokens_; }

  const TaskSession& task() const { return task_; }

 private:
  TaskSession task_;
  Tokenizer tokenizer_;
  heed_tensor ids_{}, mask_{}, types_{};  // data null: the model has no such input
  std::vector<int32_t> text_ids_;
  size_t tokens_ = 0;
  bool probabilities_ = false;  // the model's output needs no softmax
};

}  // namespace heed
