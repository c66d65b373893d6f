#include "converter/tflite/tflite_file.h"

#include <algorithm>
#include <cstring>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/tflite/tflite_generated.h"

namespace heed::tflite {
namespace {

// Limits that no real model meets.
constexpr flatbuffers::uoffset_t kTableDepthMax = 32;
constexpr flatbuffers::uoffset_t kTablesMax = 1u << 22;
constexpr size_t kFlatMax = (size_t{1} << 31) - 1;  // what FlatBuffers can address
constexpr uint32_t kVersion = 3;

template <class Vector>
size_t size_of(const Vector* vector) {
  return vector == nullptr ? 0 : vector->size();
}

void check_indices(const flatbuffers::Vector<int32_t>* list, size_t tensors, bool optional,
                   const std::string& where) {
  for (size_t i = 0; i < size_of(list); ++i) {
    const int32_t index = list->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (index == -1 && optional) continue;
    if (index < 0 || static_cast<size_t>(index) >= tensors) {
      throw ConvertError(
          "tensor " + std::to_string(index) + " of " + std::to_string(tensors) + " does not exist",
          where);
    }
  }
}

/// Whether the tensor's data lies in the file but not in its FlatBuffer.
bool lies_outside(const tfl::Buffer& buffer) { return buffer.offset() > 1; }

}  // namespace

bool is_tflite(std::string_view bytes) { return bytes.size() >= 8 && bytes.substr(4, 4) == "TFL3"; }

TfliteFile::TfliteFile(std::string_view bytes) : bytes_(bytes) {
  if (!is_tflite(bytes)) throw ConvertError("the file is no TensorFlow Lite model");
  const char* at = bytes.data();
  const size_t size = std::min(bytes.size(), kFlatMax);
  if (reinterpret_cast<uintptr_t>(at) % sizeof(uint64_t) != 0) {
    aligned_.resize(size / sizeof(uint64_t) + 1);
    std::memcpy(aligned_.data(), bytes.data(), size);
    at = reinterpret_cast<const char*>(aligned_.data());
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(at), size, kTableDepthMax,
                                 kTablesMax);
  if (!tfl::VerifyModelBuffer(verifier)) {
    throw ConvertError("the model is cut short or damaged", "", "Export or copy the model again");
  }
  model_ = tfl::GetModel(at);
  if (model_->version() != kVersion) {
    throw ConvertError("version " + std::to_string(model_->version()) +
                       " of the format is not supported");
  }
  if (size_of(model_->subgraphs()) == 0) throw ConvertError("the model has no graph");
  for (size_t i = 0; i < subgraph_count(); ++i) check_subgraph(subgraph(i));
}

bool zero_points_are_aligned(const tfl::Tensor& tensor) {
  const auto* how = tensor.quantization();
  const auto* zeros = how == nullptr ? nullptr : how->zero_point();
  return zeros == nullptr || reinterpret_cast<uintptr_t>(zeros->Data()) % alignof(int64_t) == 0;
}

size_t TfliteFile::subgraph_count() const { return size_of(model_->subgraphs()); }

const tfl::SubGraph& TfliteFile::subgraph(size_t index) const {
  const tfl::SubGraph* graph =
      index < subgraph_count()
          ? model_->subgraphs()->Get(static_cast<flatbuffers::uoffset_t>(index))
          : nullptr;
  if (graph == nullptr) {
    throw ConvertError("graph " + std::to_string(index) + " of " +
                       std::to_string(subgraph_count()) + " does not exist");
  }
  return *graph;
}

void TfliteFile::check_subgraph(const tfl::SubGraph& graph) const {
  const size_t tensors = size_of(graph.tensors());
  for (size_t i = 0; i < tensors; ++i) {
    check_tensor(*graph.tensors()->Get(static_cast<flatbuffers::uoffset_t>(i)));
  }
  check_indices(graph.inputs(), tensors, false, "the model's inputs");
  check_indices(graph.outputs(), tensors, false, "the model's outputs");
  for (size_t i = 0; i < size_of(graph.operators()); ++i) {
    const tfl::Operator& op = *graph.operators()->Get(static_cast<flatbuffers::uoffset_t>(i));
    const std::string where = "op " + std::to_string(i);
    if (op.opcode_index() >= size_of(model_->operator_codes())) {
      throw ConvertError("its kind " + std::to_string(op.opcode_index()) + " does not exist",
                         where);
    }
    check_indices(op.inputs(), tensors, true, where);
    check_indices(op.outputs(), tensors, true, where);
  }
}

void TfliteFile::check_tensor(const tfl::Tensor& tensor) const {
  if (tensor.buffer() >= std::max<size_t>(1, size_of(model_->buffers()))) {
    throw ConvertError("its buffer " + std::to_string(tensor.buffer()) + " of " +
                           std::to_string(size_of(model_->buffers())) + " does not exist",
                       tensor_label(tensor));
  }
  graph::Shape shape;
  for (size_t i = 0; i < size_of(tensor.shape()); ++i) {
    shape.push_back(tensor.shape()->Get(static_cast<flatbuffers::uoffset_t>(i)));
  }
  // Results get their shapes from their ops; constants and inputs have no other.
  if (is_constant(tensor) && graph::element_count(shape) < 0) {
    throw ConvertError("its dimensions are out of range", tensor_label(tensor));
  }
  if (!zero_points_are_aligned(tensor))
    throw ConvertError("its zero points are misaligned: the file is damaged", tensor_label(tensor));
  if (tensor.sparsity() != nullptr) {
    throw ConvertError("sparse weights are not supported", tensor_label(tensor));
  }
  if (tensor.buffer() >= size_of(model_->buffers())) return;
  const tfl::Buffer& buffer = *model_->buffers()->Get(tensor.buffer());
  if (lies_outside(buffer) &&
      (buffer.offset() > bytes_.size() || buffer.size() > bytes_.size() - buffer.offset())) {
    throw ConvertError("its data lies beyond the end of the file", tensor_label(tensor));
  }
}

int32_t TfliteFile::op_code(const tfl::Operator& op) const {
  const tfl::OperatorCode& code = *model_->operator_codes()->Get(op.opcode_index());
  return std::max(static_cast<int32_t>(code.deprecated_builtin_code()),
                  static_cast<int32_t>(code.builtin_code()));
}

std::string TfliteFile::op_name(const tfl::Operator& op) const {
  const tfl::OperatorCode& code = *model_->operator_codes()->Get(op.opcode_index());
  const int32_t number = op_code(op);
  if (number == static_cast<int32_t>(tfl::BuiltinOperator::CUSTOM)) {
    return "custom '" + (code.custom_code() == nullptr ? "" : code.custom_code()->str()) + "'";
  }
  const std::string name = tfl::EnumNameBuiltinOperator(tfl::BuiltinOperator{number});
  return name.empty() ? "op kind " + std::to_string(number) : name;
}

bool TfliteFile::is_constant(const tfl::Tensor& tensor) const {
  if (tensor.buffer() >= size_of(model_->buffers())) return false;
  const tfl::Buffer& buffer = *model_->buffers()->Get(tensor.buffer());
  return lies_outside(buffer) ? buffer.size() > 0 : size_of(buffer.data()) > 0;
}

std::string_view TfliteFile::bytes_of(const tfl::Tensor& tensor) const {
  if (!is_constant(tensor)) return {};
  const tfl::Buffer& buffer = *model_->buffers()->Get(tensor.buffer());
  if (lies_outside(buffer)) return bytes_.substr(buffer.offset(), buffer.size());
  const auto* data = buffer.data();
  return {reinterpret_cast<const char*>(data->data()), data->size()};
}

std::string tensor_name(const tfl::Tensor& tensor) {
  return tensor.name() == nullptr ? "" : tensor.name()->str();
}

std::string tensor_label(const tfl::Tensor& tensor) {
  return "tensor '" + tensor_name(tensor) + "'";
}

}  // namespace heed::tflite
