#pragma once
// A TensorFlow Lite file as it lies in memory, checked: structure by the FlatBuffers verifier, then
// every index, shape and buffer that the importer will follow. Constants come out of it by value.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::tfl {
struct Model;
struct Operator;
struct SubGraph;
struct Tensor;
}  // namespace heed::tfl

namespace heed::tflite {

/// Whether the bytes begin as a TensorFlow Lite file does.
bool is_tflite(std::string_view bytes);

class TfliteFile {
 public:
  /// Keeps a view of `bytes`. Throws ConvertError on anything that breaks the format.
  explicit TfliteFile(std::string_view bytes);

  const tfl::Model& model() const { return *model_; }
  const tfl::SubGraph& subgraph(size_t index) const;
  size_t subgraph_count() const;

  /// The op's number, also where it is none that we know; its name ("CONV_2D", "custom 'Foo'").
  int32_t op_code(const tfl::Operator& op) const;
  std::string op_name(const tfl::Operator& op) const;

  /// Whether the file holds the tensor's elements.
  bool is_constant(const tfl::Tensor& tensor) const;
  /// The bytes of a constant.
  std::string_view bytes_of(const tfl::Tensor& tensor) const;

 private:
  void check_subgraph(const tfl::SubGraph& graph) const;
  void check_tensor(const tfl::Tensor& tensor) const;

  std::string_view bytes_;
  std::vector<uint64_t> aligned_;  // a copy where the bytes are not aligned as FlatBuffers needs
  const tfl::Model* model_ = nullptr;
};

/// Whether its zero points, the format's only list of 64-bit numbers, lie where such may: the
/// verifier of FlatBuffers looks at a list's length alone.
bool zero_points_are_aligned(const tfl::Tensor& tensor);
/// "tensor 'encoder/q'", for errors.
std::string tensor_label(const tfl::Tensor& tensor);
/// The tensor's own name, or "" where it has none.
std::string tensor_name(const tfl::Tensor& tensor);

}  // namespace heed::tflite
