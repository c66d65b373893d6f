#pragma once
// Writes real ONNX files for tests: the bytes that an exporter would write, and those that a
// hostile one would.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace heed::test {

/// TensorProto.DataType.
enum class OnnxType : int32_t {
  f32 = 1, u8 = 2, i8 = 3, u16 = 4, i16 = 5, i32 = 6, i64 = 7, string = 8, boolean = 9, f16 = 10,
  f64 = 11, u32 = 12, u64 = 13, bf16 = 16
};

/// One dimension: a number, a name ("batch"), or neither where the name is empty.
struct OnnxDim {
  OnnxDim(int64_t size) : value(size) {}  // NOLINT: written in lists of dimensions
  OnnxDim(int size) : value(size) {}      // NOLINT
  OnnxDim(const char* name) : symbol(name), symbolic(true) {}  // NOLINT
  int64_t value = 0;
  std::string symbol;
  bool symbolic = false;
};

/// How the elements are stored; `external` needs `location` and writes no elements.
enum class OnnxEncoding { raw, typed, external };

struct OnnxTensor {
  std::string name;
  OnnxType type = OnnxType::f32;
  std::vector<int64_t> dims;
  OnnxEncoding encoding = OnnxEncoding::raw;
  std::string raw;                // raw: the elements' bytes, little-endian
  std::vector<float> floats;      // typed: float_data
  std::vector<double> doubles;    // typed: double_data
  std::vector<int64_t> integers;  // typed: int32_data, int64_data or uint64_data, as the type asks
  std::string location;           // external: path relative to the model
  int64_t offset = -1, length = -1;  // external: left out where negative

  std::string bytes() const;
};

OnnxTensor float_tensor(std::string name, std::vector<int64_t> dims, std::vector<float> values);
OnnxTensor int_tensor(std::string name, std::vector<int64_t> dims, std::vector<int64_t> values);

struct OnnxGraph;

struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, OnnxTensor,
               std::vector<std::string>>
      value;
  std::string graph;  // a subgraph's bytes: then `value` is ignored
  std::string refers_to;  // in a function: the attribute of the call that gives the value

  OnnxAttribute(std::string key, int64_t v) : name(std::move(key)), value(v) {}
  OnnxAttribute(std::string key, int v) : name(std::move(key)), value(int64_t{v}) {}
  OnnxAttribute(std::string key, float v) : name(std::move(key)), value(v) {}
  OnnxAttribute(std::string key, const char* v) : name(std::move(key)), value(std::string(v)) {}
  OnnxAttribute(std::string key, std::vector<int64_t> v) : name(std::move(key)), value(v) {}
  OnnxAttribute(std::string key, std::vector<float> v) : name(std::move(key)), value(v) {}
  OnnxAttribute(std::string key, OnnxTensor v) : name(std::move(key)), value(v) {}
  OnnxAttribute(std::string key, const OnnxGraph& v);
  static OnnxAttribute reference(std::string key, std::string of);
};

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::vector<OnnxAttribute> attributes;
  std::string domain;
  std::string name;  // empty: the first output's

  std::string bytes() const;
};

struct OnnxGraph {
  struct Info {
    std::string name;
    OnnxType type;
    std::vector<OnnxDim> dims;
  };
  std::string name = "test";
  std::vector<Info> inputs, outputs;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxNode> nodes;

  /// Adds a node and gives the name of its first output, for the next node's inputs.
  std::string node(std::string op, std::vector<std::string> ins, std::string out,
                   std::vector<OnnxAttribute> attributes = {}, std::string domain = "");
  std::string weight(std::string name, std::vector<int64_t> dims, std::vector<float> values);
  std::string integers(std::string name, std::vector<int64_t> dims, std::vector<int64_t> values);
  void input(std::string name, std::vector<OnnxDim> dims, OnnxType type = OnnxType::f32);
  void output(std::string name, std::vector<OnnxDim> dims = {}, OnnxType type = OnnxType::f32);

  std::string bytes() const;
};

/// A model-local function (IR 8): nodes over named inputs, outputs and attributes.
struct OnnxFunction {
  std::string domain, name;
  std::vector<std::string> inputs, outputs, attributes;
  std::vector<OnnxAttribute> defaults;
  std::vector<OnnxNode> nodes;

  std::string bytes() const;
};

struct OnnxModel {
  OnnxGraph graph;
  int64_t opset = 17;
  int64_t ir_version = 8;
  std::vector<std::pair<std::string, int64_t>> other_domains;
  std::vector<OnnxFunction> functions;

  std::string bytes() const;
};

/// The little-endian bytes of elements, for OnnxTensor::raw.
template <class T>
std::string raw_bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace heed::test
