#pragma once
// The fused graph becomes an entry point of the file: tensors in the storages their readers want,
// ops in the order they run. Nothing is placed in memory here; the plan does that.

#include <string>
#include <vector>

#include "converter/file_model.h"
#include "converter/graph/graph.h"
#include "converter/quantize/precision.h"

namespace heed {

/// Adds `graph` (fused, every shape known) as entry point `name`. Gives the names of the nodes that
/// became general ops, the others having become part of a fused one or no op at all. Throws one
/// ConvertError that lists every node the engine has no op for: name, type, attributes, reason.
std::vector<std::string> lower(const graph::Graph& graph, const std::string& name,
                               const PrecisionPlan& precision, FileModel& file);

/// Suffix of the names of int8 tensors: "<value>:q8" holds the rows of <value>.
inline constexpr const char* kQ8Suffix = ":q8";

}  // namespace heed
