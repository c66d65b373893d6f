#pragma once
// A source model as a graph: read by the importer of its format, simplified, not yet fused.

#include <cstdint>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "converter/graph/graph.h"
#include "converter/onnx/onnx_import.h"

namespace heed {

struct ImportedSource {
  graph::Graph graph;               // folded and sorted, every live value with type and shape
  int32_t nodes = 0;                // before folding
  std::vector<std::string> notes;   // what was assumed
  onnx::OpenNames names;            // what options may name
};

/// Throws ConvertError.
ImportedSource import_source(const ConvertSource& source, const onnx::ImportOptions& options);

}  // namespace heed
