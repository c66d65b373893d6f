#include "converter/onnx/named_weights.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "converter/graph/convert_error.h"

namespace heed::onnx {
namespace {

/// As the checkpoint has it, whichever part of the model was exported; "" where it is no name of a
/// checkpoint.
std::string published_name(std::string name, const std::string& prefix) {
  // Of two graphs merged into one, "model.decoder.layer_norm.bias_merged_0".
  const size_t merged = name.find("_merged_");
  if (merged != std::string::npos) name.resize(merged);
  if (name.find('.') == std::string::npos || name.find("::") != std::string::npos ||
      name.find('/') != std::string::npos)
    return "";
  if (name.starts_with("model.") || name.starts_with("proj_out.")) return name;
  if (name.starts_with("encoder.") || name.starts_with("decoder.")) return "model." + name;
  return prefix + name;
}

/// "/model/decoder/layers.0/fc1/MatMul" -> "model.decoder.layers.0.fc1"; "" where it has no layer.
std::string layer_of(Bytes node) {
  const size_t end = node.rfind('/'), begin = node.find_first_not_of('/');
  if (end == Bytes::npos || begin == Bytes::npos || begin >= end) return "";
  std::string name(node.substr(begin, end - begin));
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

/// What input `i`, a constant, is to its layer: "weight", "bias", or "".
std::string role_of(const WireNode& node, size_t i, size_t rank) {
  if (node.op == "MatMul") return i == 1 && rank == 2 ? "weight" : "";
  if (node.op == "Conv" || node.op == "LayerNormalization")
    return i == 1 ? "weight" : i == 2 ? "bias" : "";
  if (node.op == "Gather") return i == 0 && rank == 2 ? "weight" : "";
  if (node.op == "Mul") return rank == 1 ? "weight" : "";
  return node.op == "Add" && rank == 1 ? "bias" : "";
}

}  // namespace

struct NamedWeights::File {
  explicit File(const std::string& path)
      : source(path), beside(std::filesystem::path(path).parent_path().string()) {}
  SourceFile source;
  ExternalData beside;
};

void NamedWeights::add(const std::string& path, const std::string& prefix) {
  files_.push_back(std::make_shared<File>(path));
  File* file = files_.back().get();
  const WireModel model = read_model(file->source.bytes());
  if (!model.has_graph) throw ConvertError("holds no graph", "file '" + path + "'");
  add_graph(read_graph(model.graph), prefix, file, {});
}

void NamedWeights::add_graph(const WireGraph& graph, const std::string& prefix, File* file,
                             std::map<Bytes, WireTensor> initializers) {
  const auto store = [&](const std::string& name, const WireTensor& tensor, bool turned) {
    if (!name.empty()) stored_.emplace(name, Stored{tensor, turned, file, nullptr});
  };
  for (const WireTensor& tensor : graph.initializers) {
    initializers[tensor.name] = tensor;
    store(published_name(std::string(tensor.name), prefix), tensor, false);
  }
  for (const WireNode& node : graph.nodes) {
    for (const WireAttribute& attribute : node.attributes)
      if (attribute.type == WireAttributeType::graph)
        add_graph(read_graph(attribute.graph), prefix, file, initializers);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const auto found = initializers.find(node.inputs[i]);
      if (found == initializers.end()) continue;
      const WireTensor& tensor = found->second;
      if (node.op == "Identity" && node.outputs.size() == 1) {  // one of two equal tensors
        store(published_name(std::string(node.outputs[0]), prefix), tensor, false);
        initializers[node.outputs[0]] = tensor;
        break;
      }
      const std::string layer = layer_of(node.name), role = role_of(node, i, tensor.dims.size());
      if (!layer.empty() && !role.empty())
        store(published_name(layer + "." + role, prefix), tensor, node.op == "MatMul");
      // A table of which all rows are added is folded.
      if (layer.empty() && node.op == "Add" && tensor.dims.size() == 2)
        store(prefix + "embed_positions.weight", tensor, false);
    }
  }
}

std::optional<graph::Shape> NamedWeights::shape(const std::string& name) const {
  const auto found = stored_.find(name);
  if (found == stored_.end()) return std::nullopt;
  graph::Shape shape = found->second.tensor.dims;
  if (found->second.turned) std::swap(shape[0], shape[1]);
  return shape;
}

graph::ConstantPtr NamedWeights::tensor(const std::string& name) {
  const auto found = stored_.find(name);
  if (found == stored_.end()) throw ConvertError("tensor '" + name + "' is missing", "checkpoint");
  Stored& stored = found->second;
  if (stored.made != nullptr) return stored.made;
  stored.made = make_constant(stored.tensor, stored.file->beside);
  if (!stored.turned || stored.made->dtype != graph::DType::f32) return stored.made;
  const size_t rows = static_cast<size_t>(stored.made->shape[0]),
               columns = static_cast<size_t>(stored.made->shape[1]);
  auto turned = std::make_shared<graph::Constant>();
  turned->shape = {stored.made->shape[1], stored.made->shape[0]};
  turned->f32.resize(rows * columns);
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c)
      turned->f32[c * rows + r] = stored.made->f32[r * columns + c];
  stored.made = std::move(turned);
  return stored.made;
}

void NamedWeights::drop_copy(const std::string& name, const std::string& same) {
  const auto one = shape(name), other = shape(same);
  if (one && one == other && tensor(name)->f32 == tensor(same)->f32) stored_.erase(name);
}

}  // namespace heed::onnx
