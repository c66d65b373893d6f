#pragma once
// The steps of which tokenizer.json says its parts. Private to what reads that file.

#include <string>
#include <vector>

#include "models/families/settings.h"

namespace heed::families {

/// Null where there is no such text; so for a null tree.
const std::string* text_member(const JsonTree* tree, const char* key);
/// "type"; "" where there is none.
std::string type_of(const JsonTree* tree);
bool flag_of(const JsonTree* tree, const char* key, bool otherwise);

/// A step, or the steps of a Sequence under any of its names, and of the Sequences in it.
std::vector<const JsonTree*> steps_of(const JsonTree* tree);
/// Null: none.
const JsonTree* step_named(const std::vector<const JsonTree*>& steps, const char* type);

}  // namespace heed::families
