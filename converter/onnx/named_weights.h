#pragma once
// The weights of exported graphs under the names that they had in the checkpoint. Exporters keep
// the names of most ("model.decoder.layers.0.fc1.bias"); matrices are turned and lose theirs, and
// of equal tensors one is left, but the node that reads it is called by its layer:
// "/model/decoder/layers.0/fc1/MatMul".

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "converter/graph/graph.h"
#include "converter/onnx/onnx_tensor.h"
#include "converter/onnx/onnx_wire.h"
#include "converter/onnx/source_file.h"

namespace heed::onnx {

class NamedWeights {
 public:
  /// Adds a file's. `prefix` goes before names that do not say which part of the model they are of
  /// ("layers.0.fc1.bias"): "model.encoder.". Throws ConvertError where it cannot be read.
  void add(const std::string& path, const std::string& prefix);

  /// Takes `name` out where it is, number for number, the tensor `same`: exporters write a table
  /// that two layers share twice.
  void drop_copy(const std::string& name, const std::string& same);

  std::optional<graph::Shape> shape(const std::string& name) const;
  /// Throws ConvertError where it is missing or broken.
  graph::ConstantPtr tensor(const std::string& name);

 private:
  struct File;
  struct Stored {
    WireTensor tensor;
    bool turned = false;  // [inputs, outputs]
    File* file = nullptr;
    graph::ConstantPtr made;
  };
  void add_graph(const WireGraph& graph, const std::string& prefix, File* file,
                 std::map<Bytes, WireTensor> initializers);

  std::vector<std::shared_ptr<File>> files_;
  std::map<std::string, Stored> stored_;
};

}  // namespace heed::onnx
