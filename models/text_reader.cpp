#include "models/text_reader.h"

#include <algorithm>
#include <cstring>

#include "models/task_info.h"

namespace heed {

bool TextReader::create(const heed_model* model, const heed_options& options,
                        const std::string& entry_point, std::string* error) {
  if (!tokenizer_.create(*model, error)) return false;
  if (!task_.create(model, options, entry_point, error)) return false;
  for (const heed_tensor& input : task_.inputs()) {
    const std::string name = input.name;
    heed_tensor* place = name == "input_ids"        ? &ids_
                         : name == "attention_mask" ? &mask_
                         : name == "token_type_ids" ? &types_
                                                    : nullptr;
    if (place == nullptr || input.type != HEED_I64) {
      *error = "the model's input '" + name + "' is none that a text gives";
      return false;
    }
    *place = input;
  }
  const auto fits = [&](const heed_tensor& tensor) {
    return tensor.data == nullptr || tensor.bytes == ids_.bytes;
  };
  if (ids_.data == nullptr || !fits(mask_) || !fits(types_)) {
    *error = "the model's inputs are not input_ids and what belongs to them";
    return false;
  }
  if (task_.outputs()[0].type != HEED_F32) {
    *error = "the model's first output does not hold float32 values";
    return false;
  }
  probabilities_ = output_is_probability(*model);
  text_ids_.resize(ids_.bytes / sizeof(int64_t));
  return true;
}

bool TextReader::read(std::string_view text, std::string* error) {
  const size_t room = text_ids_.size();
  tokens_ = tokenizer_.encode_whole(text, text_ids_.data(), room);
  auto* ids = static_cast<int64_t*>(ids_.data);
  std::copy(text_ids_.begin(), text_ids_.begin() + static_cast<ptrdiff_t>(tokens_), ids);
  std::fill(ids + tokens_, ids + room, int64_t{tokenizer_.pad()});
  if (mask_.data != nullptr) {
    auto* mask = static_cast<int64_t*>(mask_.data);
    std::fill(mask, mask + tokens_, int64_t{1});
    std::fill(mask + tokens_, mask + room, int64_t{0});
  }
  if (types_.data != nullptr) std::memset(types_.data, 0, types_.bytes);
  return task_.run(error);
}

void TextReader::probabilities(float* out) const {
  std::copy(values(), values() + width(), out);
  if (!probabilities_) softmax_in_place(out, width());
}

}  // namespace heed
