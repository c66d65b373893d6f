#include "converter/import_source.h"

#include <utility>

#include "converter/graph/fold_constants.h"
#include "converter/onnx/onnx_import.h"

namespace heed {

ImportedSource import_source(const ConvertSource& source,
                             const std::map<std::string, std::vector<int64_t>>& shapes) {
  onnx::ImportOptions options;
  options.shapes = shapes;
  onnx::ImportedModel model = onnx::import_onnx_file(source.path, options);
  ImportedSource result;
  result.graph = std::move(model.graph);
  result.nodes = static_cast<int32_t>(result.graph.order().size());
  result.notes = std::move(model.notes);
  graph::fold_constants(result.graph);
  return result;
}

}  // namespace heed
