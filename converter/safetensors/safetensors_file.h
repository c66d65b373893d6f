#pragma once
// One .safetensors file: a header that names tensors, then their bytes.
//
//   u64 n, little-endian | n bytes of JSON: {"name": {"dtype", "shape", "data_offsets": [b, e]}} |
//   data; offsets count from its first byte

#include <map>
#include <string>
#include <string_view>

#include "converter/graph/graph.h"
#include "converter/onnx/source_file.h"

namespace heed::safetensors {

struct StoredTensor {
  std::string dtype;  // "F32", "BF16", ..
  graph::Shape shape;
  std::string_view bytes;  // within the file
};

class SafetensorsFile {
 public:
  /// Maps the file and checks the whole header: every tensor lies within the file and has as many
  /// bytes as its type and shape need. Throws ConvertError.
  explicit SafetensorsFile(const std::string& path);

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  onnx::SourceFile file_;
  std::map<std::string, StoredTensor> tensors_;
};

/// Its elements, widened as graph.h says. Throws ConvertError where the type is none that the
/// converter knows, or a number is NaN.
graph::ConstantPtr make_constant(const std::string& name, const StoredTensor& tensor);

}  // namespace heed::safetensors
