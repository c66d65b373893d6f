#pragma once
// Writes TensorFlow Lite files in tests, a line per tensor and op; what is unusual about a file is
// changed in `model` itself.

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "converter/tflite/tflite_generated.h"

namespace heed::test {

class TfliteModel {
 public:
  using Op = tfl::BuiltinOperator;
  using Type = tfl::TensorType;
  using Shape = std::vector<int32_t>;

  tfl::ModelT model;

  TfliteModel() {
    model.version = 3;
    model.buffers.push_back(std::make_unique<tfl::BufferT>());  // the empty one
    model.subgraphs.push_back(std::make_unique<tfl::SubGraphT>());
  }
  tfl::SubGraphT& graph(size_t index = 0) { return *model.subgraphs[index]; }
  tfl::TensorT& tensor(int32_t index) { return *graph().tensors[static_cast<size_t>(index)]; }
  tfl::OperatorT& last_op() { return *graph().operators.back(); }
  tfl::BufferT& buffer_of(int32_t index) { return *model.buffers[tensor(index).buffer]; }

  /// A tensor that some op writes.
  int32_t result(const std::string& name, Shape shape, Type type = Type::float32) {
    auto made = std::make_unique<tfl::TensorT>();
    made->name = name;
    made->shape = std::move(shape);
    made->type = type;
    graph().tensors.push_back(std::move(made));
    return static_cast<int32_t>(graph().tensors.size()) - 1;
  }
  int32_t input(const std::string& name, Shape shape, Type type = Type::float32) {
    const int32_t index = result(name, std::move(shape), type);
    graph().inputs.push_back(index);
    return index;
  }
  template <class Element>
  int32_t constant(const std::string& name, Shape shape, Type type,
                   const std::vector<Element>& elements) {
    const int32_t index = result(name, std::move(shape), type);
    auto buffer = std::make_unique<tfl::BufferT>();
    buffer->data.resize(elements.size() * sizeof(Element));
    std::memcpy(buffer->data.data(), elements.data(), buffer->data.size());
    tensor(index).buffer = static_cast<uint32_t>(model.buffers.size());
    model.buffers.push_back(std::move(buffer));
    return index;
  }
  int32_t floats(const std::string& name, Shape shape, const std::vector<float>& elements) {
    return constant(name, std::move(shape), Type::float32, elements);
  }
  int32_t ints(const std::string& name, const std::vector<int32_t>& elements) {
    return constant(name, {static_cast<int32_t>(elements.size())}, Type::int32, elements);
  }
  /// real = scale * (q - zero), one scale for each index of `dimension` where there are several.
  void quantise(int32_t index, std::vector<float> scale, std::vector<int64_t> zero = {0},
                int32_t dimension = 0) {
    auto how = std::make_unique<tfl::QuantizationParametersT>();
    how->scale = std::move(scale);
    how->zero_point = std::move(zero);
    how->quantized_dimension = dimension;
    tensor(index).quantization = std::move(how);
  }

  void op(Op code, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
    auto kind = std::make_unique<tfl::OperatorCodeT>();
    kind->builtin_code = code;
    kind->deprecated_builtin_code = static_cast<int8_t>(std::min(127, static_cast<int>(code)));
    auto made = std::make_unique<tfl::OperatorT>();
    made->opcode_index = static_cast<uint32_t>(model.operator_codes.size());
    made->inputs = std::move(inputs);
    made->outputs = std::move(outputs);
    model.operator_codes.push_back(std::move(kind));
    graph().operators.push_back(std::move(made));
  }
  template <class Options>
  void op(Op code, std::vector<int32_t> inputs, std::vector<int32_t> outputs, Options options) {
    op(code, std::move(inputs), std::move(outputs));
    last_op().builtin_options.Set(std::move(options));
  }
  void outputs(std::vector<int32_t> indices) { graph().outputs = std::move(indices); }

  std::string bytes() const {
    flatbuffers::FlatBufferBuilder builder;
    tfl::FinishModelBuffer(builder, tfl::Model::Pack(builder, &model));
    return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
  }
};

}  // namespace heed::test
