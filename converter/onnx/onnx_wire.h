#pragma once
// An ONNX file as it lies in memory. Strings, tensor bytes and subgraphs are views into the file;
// nothing is checked here but the encoding itself. Unknown fields are skipped, and so are known
// ones of another wire type, as protobuf does. Readers throw ConvertError on bytes that are not
// protobuf.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace heed::onnx {

using Bytes = std::string_view;

/// TensorProto.DataType, as far as it is understood.
enum class WireType : int32_t {
  undefined = 0, f32 = 1, u8 = 2, i8 = 3, u16 = 4, i16 = 5, i32 = 6, i64 = 7, string = 8,
  boolean = 9, f16 = 10, f64 = 11, u32 = 12, u64 = 13, bf16 = 16
};

struct WireTensor {
  Bytes name;
  WireType type = WireType::undefined;
  std::vector<int64_t> dims;
  Bytes raw;                       // raw_data
  bool has_raw = false;
  std::vector<float> floats;       // float_data
  std::vector<double> doubles;     // double_data
  std::vector<int64_t> integers;   // int32_data, int64_data, uint64_data
  bool external = false;           // the elements lie in another file
  std::vector<std::pair<Bytes, Bytes>> external_data;  // location, offset, length, ..
};

/// AttributeProto.AttributeType.
enum class WireAttributeType : int32_t {
  undefined = 0, number = 1, whole = 2, string = 3, tensor = 4, graph = 5, numbers = 6, wholes = 7,
  strings = 8
};

struct WireAttribute {
  Bytes name;
  WireAttributeType type = WireAttributeType::undefined;
  int32_t raw_type = 0;            // as written, also where it is not understood
  Bytes refers_to;                 // in functions: the attribute of the call that gives the value
  float number = 0;
  int64_t whole = 0;
  Bytes string, tensor, graph;
  std::vector<float> numbers;
  std::vector<int64_t> wholes;
  std::vector<Bytes> strings;
};

struct WireNode {
  Bytes name, op, domain, overload;
  std::vector<Bytes> inputs, outputs;
  std::vector<WireAttribute> attributes;
};

struct WireDim {
  int64_t value = -1;              // negative: not a number
  Bytes symbol;
};

struct WireInfo {                  // ValueInfoProto
  Bytes name;
  bool is_tensor = false, has_shape = false;
  WireType type = WireType::undefined;
  std::vector<WireDim> dims;
};

struct WireGraph {
  Bytes name;
  std::vector<WireNode> nodes;
  std::vector<WireTensor> initializers;
  std::vector<WireInfo> inputs, outputs;
  bool has_sparse = false;         // sparse initialisers, which are not supported
};

struct WireOpset {
  Bytes domain;
  int64_t version = 0;
};

struct WireFunction {
  Bytes name, domain, overload;
  std::vector<Bytes> inputs, outputs, attributes;
  std::vector<WireAttribute> defaults;
  std::vector<WireNode> nodes;
  std::vector<WireOpset> opsets;
};

struct WireModel {
  int64_t ir_version = 0;
  Bytes producer, producer_version;
  std::vector<WireOpset> opsets;
  bool has_graph = false;
  Bytes graph;
  std::vector<WireFunction> functions;
};

WireModel read_model(Bytes bytes);
WireGraph read_graph(Bytes bytes);
WireTensor read_tensor(Bytes bytes);

}  // namespace heed::onnx
