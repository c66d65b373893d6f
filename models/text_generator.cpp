#include "models/text_generator.h"

#include <algorithm>

#include "models/task_info.h"

namespace heed {

bool TextGenerator::open(const char* name, Entry* entry, std::string* error) const {
  heed_session* session = task_.session();
  const auto input = [&](const char* tensor_name, int64_t** data, size_t* count) {
    heed_tensor tensor{};
    if (heed_session_input(session, name, tensor_name, &tensor) != HEED_OK ||
        tensor.type != HEED_I64)
      return false;
    *data = static_cast<int64_t*>(tensor.data);
    *count = tensor.bytes / sizeof(int64_t);
    return true;
  };
  size_t positions = 0, rows = 0;
  heed_tensor logits{};
  entry->name = name;
  const bool found = input("input_ids", &entry->ids, &entry->rows) &&
                     input("position", &entry->position, &positions) && positions == 1 &&
                     heed_session_output(session, name, "logits", &logits) == HEED_OK &&
                     logits.type == HEED_F32;
  const bool picks = found && input("row", &entry->row, &rows) && rows == 1;
  if (!found || (entry->rows != 1 && !picks)) {
    *error = std::string("the entry point '") + name +
             "' does not take input_ids and a position and give logits";
    return false;
  }
  entry->logits = static_cast<const float*>(logits.data);
  entry->vocabulary = logits.bytes / sizeof(float);
  return true;
}

bool TextGenerator::create(const heed_model* model, const heed_options& options,
                           const SamplerOptions& sampling, std::string* error) {
  if (!task_.create(model, options, "decode_step", error)) return false;
  if (!open("decode_step", &step_, error)) return false;
  heed_entry_point entry{};
  for (int32_t i = 0; heed_model_entry_point(model, i, &entry) == HEED_OK; ++i)
    if (std::string(entry.name) == "prefill" && !open("prefill", &chunk_, error)) return false;
  vocabulary_ = step_.vocabulary;
  context_ = cache_capacity(*model);
  if (step_.rows != 1 || context_ == 0 || chunk_.rows > context_ ||
      (chunk_.rows > 0 && chunk_.vocabulary != vocabulary_)) {
    *error = "the model's entry points do not fit each other";
    return false;
  }
  std::string without;
  has_tokenizer_ = tokenizer_.create(*model, &without);
  sampler_.create(vocabulary_, sampling);
  prompt_ids_.resize(context_ + 1);
  return true;
}

bool TextGenerator::run(const Entry& entry, std::string* error) {
  Diagnostic diagnostic;
  if (heed_session_run(task_.session(), entry.name.c_str(), &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  logits_ = entry.logits;
  return true;
}

bool TextGenerator::feed(int32_t token, std::string* error) {
  *step_.ids = token;
  *step_.position = static_cast<int64_t>(position_);
  if (!run(step_, error)) return false;
  ++position_;
  return true;
}

/// Rows behind the last token are filled with it: what they put into the caches lies behind all
/// that is there, and is overwritten by what comes.
bool TextGenerator::feed_chunk(const int32_t* tokens, size_t count, std::string* error) {
  std::copy(tokens, tokens + count, chunk_.ids);
  std::fill(chunk_.ids + count, chunk_.ids + chunk_.rows, int64_t{tokens[count - 1]});
  *chunk_.position = static_cast<int64_t>(position_);
  *chunk_.row = static_cast<int64_t>(count) - 1;
  if (!run(chunk_, error)) return false;
  position_ += count;
  return true;
}

bool TextGenerator::start(std::string_view prompt, std::string* error) {
  if (!has_tokenizer_) {
    *error = "the model carries no tokenizer, so a text means nothing to it";
    return false;
  }
  const std::vector<int32_t>& before = tokenizer_.before();
  const size_t begun = std::min(before.size(), prompt_ids_.size());
  std::copy(before.begin(), before.begin() + static_cast<ptrdiff_t>(begun), prompt_ids_.begin());
  const size_t count =
      begun + tokenizer_.encode(prompt, prompt_ids_.data() + begun, prompt_ids_.size() - begun);
  return start_tokens(prompt_ids_.data(), count, error);
}

bool TextGenerator::start_tokens(const int32_t* tokens, size_t count, std::string* error) {
  constexpr size_t kFew = 2;  // fewer tokens than this are quicker one by one
  if (count == 0 || count > context_) {
    *error = count == 0 ? "the prompt is empty"
                        : "the prompt has more tokens than the model's context, " +
                              std::to_string(context_);
    return false;
  }
  heed_session_reset(task_.session());
  position_ = made_ = 0;
  pending_ = false;
  prompt_ = count;
  while (count > 0) {
    const size_t taken = std::min(count, chunk_.rows);
    const bool chunk = taken > kFew && position_ + chunk_.rows <= context_;
    if (chunk ? !feed_chunk(tokens, taken, error) : !feed(*tokens, error)) return false;
    tokens += chunk ? taken : 1;
    count -= chunk ? taken : 1;
  }
  return true;
}

bool TextGenerator::next(int32_t* token, std::string_view* text, std::string* error) {
  error->clear();
  if (pending_ && (position_ >= context_ || !feed(last_, error))) return false;
  pending_ = false;
  *token = sampler_.pick(logits_);
  if (has_tokenizer_ && tokenizer_.stops(*token)) return false;
  const bool first = made_++ == 0 && prompt_ <= tokenizer_.before().size();
  *text = has_tokenizer_ ? tokenizer_.text_of(*token, first) : std::string_view();
  last_ = *token;
  pending_ = true;
  return true;
}

}  // namespace heed
