#include "converter/safetensors/safetensors_file.h"

#include <cstring>
#include <optional>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"
#include "converter/onnx/onnx_tensor.h"
#include "converter/safetensors/json_tree.h"

namespace heed::safetensors {
namespace {

using families::JsonTree;
using onnx::WireType;

constexpr uint64_t kHeaderMax = 100'000'000;  // the format's own limit

struct StoredType {
  const char* name;
  WireType type;
  size_t bytes;
};
constexpr StoredType kTypes[] = {
    {"F32", WireType::f32, 4},     {"F16", WireType::f16, 2}, {"BF16", WireType::bf16, 2},
    {"F64", WireType::f64, 8},     {"I64", WireType::i64, 8}, {"I32", WireType::i32, 4},
    {"I16", WireType::i16, 2},     {"I8", WireType::i8, 1},   {"U8", WireType::u8, 1},
    {"U16", WireType::u16, 2},     {"U32", WireType::u32, 4}, {"U64", WireType::u64, 8},
    {"BOOL", WireType::boolean, 1}};

const StoredType* known_type(const std::string& name) {
  for (const StoredType& type : kTypes)
    if (name == type.name) return &type;
  return nullptr;
}

struct HeaderFault {
  std::string place;
  [[noreturn]] void operator()(const std::string& name, const std::string& fault) const {
    throw ConvertError("tensor '" + name + "' " + fault, place);
  }
};

graph::Shape shape_of(const std::string& name, const JsonTree& record, const HeaderFault& fault) {
  const JsonTree* shape = record.member("shape");
  if (shape == nullptr || shape->list() == nullptr) fault(name, "has no shape");
  graph::Shape dims;
  for (const JsonTree& dim : *shape->list()) {
    if (dim.integer() == nullptr || *dim.integer() < 0)
      fault(name, "has a dimension that is no size");
    dims.push_back(*dim.integer());
  }
  if (graph::element_count(dims) < 0)
    fault(name, "has dimensions " + graph::shape_text(dims) + ", which are out of range");
  return dims;
}

StoredTensor read_record(const std::string& name, const JsonTree& record, std::string_view data,
                         const HeaderFault& fault) {
  StoredTensor tensor;
  const JsonTree* dtype = record.member("dtype");
  if (dtype == nullptr || dtype->text() == nullptr) fault(name, "has no dtype");
  tensor.dtype = *dtype->text();
  tensor.shape = shape_of(name, record, fault);
  const JsonTree* offsets = record.member("data_offsets");
  const JsonTree::List* range = offsets == nullptr ? nullptr : offsets->list();
  if (range == nullptr || range->size() != 2 || !(*range)[0].integer() || !(*range)[1].integer())
    fault(name, "has no data_offsets");
  const int64_t begin = *(*range)[0].integer(), end = *(*range)[1].integer();
  if (begin < 0 || end < begin || static_cast<uint64_t>(end) > data.size())
    fault(name, "lies beyond the end of the file, which is cut short or damaged");
  tensor.bytes = data.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  if (const StoredType* type = known_type(tensor.dtype)) {
    const auto count = static_cast<size_t>(graph::element_count(tensor.shape));
    if (tensor.bytes.size() != count * type->bytes) {
      fault(name, "of shape " + graph::shape_text(tensor.shape) + " needs " +
                      std::to_string(count * type->bytes) + " bytes, but has " +
                      std::to_string(tensor.bytes.size()));
    }
  }
  return tensor;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), file_(path) {
  const std::string place = "file '" + path + "'";
  const std::string_view bytes = file_.bytes();
  uint64_t header = 0;
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (bytes.size() < sizeof header || header > bytes.size() - sizeof header || header > kHeaderMax)
    throw ConvertError("is no safetensors file: its header is longer than the file", place);
  const auto tree = read_json(bytes.substr(sizeof header, header), place);
  if (tree->object() == nullptr)
    throw ConvertError("is no safetensors file: its header is no object", place);
  const std::string_view data = bytes.substr(sizeof header + header);
  for (const auto& [name, record] : *tree->object()) {
    if (name == "__metadata__") continue;
    if (!tensors_.emplace(name, read_record(name, record, data, {place})).second)
      HeaderFault{place}(name, "is there twice");
  }
}

graph::ConstantPtr make_constant(const std::string& name, const StoredTensor& tensor) {
  const StoredType* type = known_type(tensor.dtype);
  if (type == nullptr)
    throw ConvertError("element type " + tensor.dtype + " is not supported",
                       "tensor '" + name + "'");
  onnx::WireTensor wire;
  wire.name = name;
  wire.type = type->type;
  wire.dims = tensor.shape;
  wire.raw = tensor.bytes;
  wire.has_raw = true;
  onnx::ExternalData nothing_else("");
  return onnx::make_constant(wire, nothing_else);
}

}  // namespace heed::safetensors
