#pragma once
// A source model as graphs: read by the importer of its format, simplified, not yet fused.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "converter/graph/graph.h"
#include "converter/onnx/onnx_import.h"

namespace heed::fb {
struct TaskT;
}

namespace heed {

/// One entry point of a source. A file is one; a checkpoint's folder may be several.
struct ImportedSource {
  std::string entry_point;
  graph::Graph graph;               // folded and sorted, every live value with type and shape
  uint32_t shared_arena = 0;        // as in the file
  int32_t nodes = 0;                // before folding
  std::vector<std::string> notes;   // what was assumed
  onnx::OpenNames names;            // what options may name
  std::vector<std::string> files;   // what was read, for the record of where the file came from
  std::shared_ptr<fb::TaskT> task;  // what the source says the model is for; may be null
};

/// Throws ConvertError.
std::vector<ImportedSource> import_source(const ConvertSource& source,
                                          const onnx::ImportOptions& options);

}  // namespace heed
