#pragma once
// Task files: what a person wants done with a model, as JSON. task_json.md documents the keys.

#include <memory>
#include <string>

#include "engine/tensor.h"

namespace heed {

/// Reads the text of a task file. `folder`: where label files it names are looked for. Throws
/// ConvertError for anything that is not as task_json.md says, with the key and the known ones.
std::unique_ptr<fb::TaskT> read_task(const std::string& json, const std::string& folder);

}  // namespace heed
