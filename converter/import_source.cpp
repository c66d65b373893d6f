#include "converter/import_source.h"

#include <utility>

#include "converter/graph/fold_constants.h"

namespace heed {

ImportedSource import_source(const ConvertSource& source, const onnx::ImportOptions& options) {
  onnx::ImportedModel model = onnx::import_onnx_file(source.path, options);
  ImportedSource result;
  result.graph = std::move(model.graph);
  result.nodes = static_cast<int32_t>(result.graph.order().size());
  result.notes = std::move(model.notes);
  result.names = std::move(model.names);
  graph::fold_constants(result.graph);
  return result;
}

}  // namespace heed
