#pragma once
// The options of a conversion that shape the file's bytes, in one spelling, as the file records
// them: what was done can be read there, and done again to the source.

#include <string>

#include "converter/convert.h"
#include "converter/onnx/onnx_import.h"

namespace heed {

/// "int8 per output, rows dynamic; dim sequence_length 128; keep-past 448"
std::string recipe_text(const ConvertOptions& options);

/// How the source was read: its dimensions, constants and past. Words that this version does not
/// know are passed over.
onnx::ImportOptions import_options_of(const std::string& recipe);

}  // namespace heed
