#pragma once
// The "normalizer" of a tokenizer.json as the stages that models/text/normalizer.h runs.

#include <string>

#include "models/families/settings.h"

namespace heed::families {

/// `table`: what lies behind the pieces. False, with the reason in `why`, where a step has no
/// counterpart. Throws ConvertError where the file is damaged.
bool compile_normalizer(const Settings& tokenizer, bool white_space_parts, std::string* table,
                        std::string* why);

}  // namespace heed::families
