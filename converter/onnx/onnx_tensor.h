#pragma once
// Tensors of an ONNX file as constants of the graph.

#include <map>
#include <memory>
#include <string>

#include "converter/graph/graph.h"
#include "converter/onnx/onnx_wire.h"
#include "converter/onnx/source_file.h"

namespace heed::onnx {

/// The graph's type for ONNX's; nothing where it is not supported.
std::optional<graph::DType> graph_type(WireType type);
std::string type_text(WireType type);

/// Files beside the model that hold tensors. A location must lead to a regular file inside the
/// model's folder: no absolute path, no "..", no link that leaves it.
class ExternalData {
 public:
  /// An empty folder: the model came as bytes and may not refer to files.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  /// The bytes of a tensor that needs `size` of them. Throws ConvertError.
  Bytes find(const WireTensor& tensor, size_t size);

 private:
  const SourceFile& open(const std::string& location);

  std::string folder_;
  std::map<std::string, std::unique_ptr<SourceFile>> files_;
};

/// Widens as graph.h says. Throws ConvertError where type, dimensions and elements do not fit each
/// other, or a number is NaN.
graph::ConstantPtr make_constant(const WireTensor& tensor, ExternalData& files);

}  // namespace heed::onnx
