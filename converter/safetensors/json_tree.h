#pragma once
// JSON texts of a checkpoint as trees. The only file of this room that knows a JSON library.

#include <memory>
#include <string>
#include <string_view>

#include "models/families/settings.h"

namespace heed::safetensors {

/// Throws ConvertError naming `place` where the text is no JSON or is nested deeper than any
/// checkpoint's.
std::shared_ptr<const families::JsonTree> read_json(std::string_view text,
                                                    const std::string& place);

}  // namespace heed::safetensors
