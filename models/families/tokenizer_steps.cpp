#include "models/families/tokenizer_steps.h"

#include <algorithm>

namespace heed::families {

const std::string* text_member(const JsonTree* tree, const char* key) {
  const JsonTree* found = tree == nullptr ? nullptr : tree->member(key);
  return found == nullptr ? nullptr : found->text();
}

std::string type_of(const JsonTree* tree) {
  const std::string* type = text_member(tree, "type");
  return type == nullptr ? "" : *type;
}

bool flag_of(const JsonTree* tree, const char* key, bool otherwise) {
  const JsonTree* found = tree == nullptr ? nullptr : tree->member(key);
  const bool* flag = found == nullptr ? nullptr : std::get_if<bool>(&found->value);
  return flag == nullptr ? otherwise : *flag;
}

std::vector<const JsonTree*> steps_of(const JsonTree* tree) {
  std::vector<const JsonTree*> steps;
  if (tree == nullptr || tree->is_null()) return steps;
  for (const char* key : {"normalizers", "pretokenizers", "processors"}) {
    const JsonTree* list = tree->member(key);
    if (list == nullptr || list->list() == nullptr) continue;
    for (const JsonTree& step : *list->list())
      for (const JsonTree* inner : steps_of(&step)) steps.push_back(inner);
    return steps;
  }
  return {tree};
}

const JsonTree* step_named(const std::vector<const JsonTree*>& steps, const char* type) {
  const auto found = std::find_if(steps.begin(), steps.end(),
                                  [&](const JsonTree* step) { return type_of(step) == type; });
  return found == steps.end() ? nullptr : *found;
}

}  // namespace heed::families
