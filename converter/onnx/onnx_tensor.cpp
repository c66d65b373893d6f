#include "converter/onnx/onnx_tensor.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"

namespace heed::onnx {
namespace {

namespace fs = std::filesystem;
using graph::Constant;
using graph::DType;

std::string label(const WireTensor& tensor) { return "tensor '" + std::string(tensor.name) + "'"; }

size_t element_bytes(WireType type) {
  switch (type) {
    case WireType::u8: case WireType::i8: case WireType::boolean:
      return 1;
    case WireType::u16: case WireType::i16: case WireType::f16: case WireType::bf16:
      return 2;
    case WireType::f32: case WireType::i32: case WireType::u32:
      return 4;
    default:
      return 8;
  }
}

float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31, fraction = half & 1023u;
  if (exponent == 31) return bits_to_float(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return bits_to_float(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float small = std::ldexp(static_cast<float>(fraction), -24);
  return sign != 0 ? -small : small;
}

float bfloat_to_float(uint16_t bits) { return bits_to_float(static_cast<uint32_t>(bits) << 16); }

/// Reads elements of type T at any alignment and hands each to `convert`. Little-endian, as ONNX is
/// and as every machine that converts.
template <class T, class Out, class Convert>
void widen(Bytes raw, std::vector<Out>& to, Convert convert) {
  const size_t count = raw.size() / sizeof(T);
  to.resize(count);
  for (size_t i = 0; i < count; ++i) {
    T item;
    std::memcpy(&item, raw.data() + i * sizeof(T), sizeof(T));
    to[i] = convert(item);
  }
}

template <class T>
void widen_integers(Bytes raw, std::vector<int64_t>& to) {
  widen<T>(raw, to, [](T item) { return static_cast<int64_t>(item); });
}

void decode_raw(WireType type, Bytes raw, Constant& made) {
  switch (type) {
    case WireType::f32:
      made.f32.resize(raw.size() / sizeof(float));
      if (!raw.empty()) std::memcpy(made.f32.data(), raw.data(), raw.size());
      return;
    case WireType::f64:
      return widen<double>(raw, made.f32, [](double item) { return static_cast<float>(item); });
    case WireType::f16:
      return widen<uint16_t>(raw, made.f32, half_to_float);
    case WireType::bf16:
      return widen<uint16_t>(raw, made.f32, bfloat_to_float);
    case WireType::boolean:
      return widen<uint8_t>(raw, made.i64, [](uint8_t item) { return int64_t{item != 0}; });
    case WireType::u8:
      return widen_integers<uint8_t>(raw, made.i64);
    case WireType::i8:
      return widen_integers<int8_t>(raw, made.i64);
    case WireType::u16:
      return widen_integers<uint16_t>(raw, made.i64);
    case WireType::i16:
      return widen_integers<int16_t>(raw, made.i64);
    case WireType::i32:
      return widen_integers<int32_t>(raw, made.i64);
    case WireType::u32:
      return widen_integers<uint32_t>(raw, made.i64);
    default:
      return widen_integers<int64_t>(raw, made.i64);  // i64, u64
  }
}

void decode_typed(const WireTensor& tensor, Constant& made) {
  auto halves = [&](float (*convert)(uint16_t)) {
    for (int64_t item : tensor.integers) made.f32.push_back(convert(static_cast<uint16_t>(item)));
  };
  switch (tensor.type) {
    case WireType::f32:
      made.f32 = tensor.floats;
      return;
    case WireType::f64:
      for (double item : tensor.doubles) made.f32.push_back(static_cast<float>(item));
      return;
    case WireType::f16:
      return halves(half_to_float);
    case WireType::bf16:
      return halves(bfloat_to_float);
    case WireType::boolean:
      for (int64_t item : tensor.integers) made.i64.push_back(item != 0);
      return;
    default:
      made.i64 = tensor.integers;
  }
}

/// A decimal number of the external data record; `otherwise` where the key is absent.
size_t record_number(const WireTensor& tensor, Bytes key, size_t otherwise) {
  for (const auto& [name, value] : tensor.external_data) {
    if (name != key) continue;
    size_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      throw ConvertError("its external " + std::string(key) + " is not a number", label(tensor));
    }
    return number;
  }
  return otherwise;
}

bool leaves_folder(const fs::path& location) {
  if (location.empty() || location.is_absolute() || location.has_root_name()) return true;
  return std::any_of(location.begin(), location.end(),
                     [](const fs::path& part) { return part == ".."; });
}

}  // namespace

std::optional<DType> graph_type(WireType type) {
  switch (type) {
    case WireType::f32: case WireType::f64: case WireType::f16: case WireType::bf16:
      return DType::f32;
    case WireType::u8: case WireType::i8: case WireType::u16: case WireType::i16:
    case WireType::i32: case WireType::i64: case WireType::u32: case WireType::u64:
      return DType::i64;
    case WireType::boolean:
      return DType::boolean;
    default:
      return std::nullopt;
  }
}

std::string type_text(WireType type) {
  static const char* const names[] = {
      "undefined", "float32",   "uint8",      "int8",     "uint16", "int16",  "int32",  "int64",
      "string",    "bool",      "float16",    "float64",  "uint32", "uint64", "complex64",
      "complex128", "bfloat16", "float8",     "float8",   "float8", "float8", "uint4",  "int4",
      "float4"};
  const size_t index = static_cast<size_t>(type);
  return index < std::size(names) ? names[index] : "type " + std::to_string(index);
}

const SourceFile& ExternalData::open(const std::string& location) {
  std::unique_ptr<SourceFile>& file = files_[location];
  if (file) return *file;
  const std::string where = "external data '" + location + "'";
  if (folder_.empty()) throw ConvertError("this model may not refer to other files", where);
  if (location.find('\0') != std::string::npos || leaves_folder(location)) {
    throw ConvertError("the path leaves the model's folder", where,
                       "Put the file beside the model and export again");
  }
  std::error_code error;
  const fs::path folder = fs::canonical(folder_, error);
  const fs::path target = fs::canonical(folder / location, error);  // links resolved
  if (error) throw ConvertError("cannot be opened: " + error.message(), where);
  const fs::path inside = target.lexically_relative(folder);
  if (leaves_folder(inside)) {
    throw ConvertError("the path is a link that leaves the model's folder", where);
  }
  file = std::make_unique<SourceFile>(target.string());
  return *file;
}

Bytes ExternalData::find(const WireTensor& tensor, size_t size) {
  std::string location;
  for (const auto& [key, value] : tensor.external_data) {
    if (key == "location") location = std::string(value);
  }
  const size_t offset = record_number(tensor, "offset", 0);
  const size_t length = record_number(tensor, "length", size);
  if (length != size) {
    throw ConvertError("it needs " + std::to_string(size) + " bytes, but its record says " +
                           std::to_string(length),
                       label(tensor));
  }
  if (size == 0) return {};
  const Bytes bytes = open(location).bytes();
  if (offset > bytes.size() || length > bytes.size() - offset) {
    throw ConvertError("it lies beyond the end of '" + location + "'", label(tensor),
                       "The file is cut short or belongs to another model");
  }
  return bytes.substr(offset, length);
}

graph::ConstantPtr make_constant(const WireTensor& tensor, ExternalData& files) {
  const std::optional<DType> type = graph_type(tensor.type);
  if (!type) {
    throw ConvertError("element type " + type_text(tensor.type) + " is not supported",
                       label(tensor));
  }
  const int64_t count = graph::element_count(tensor.dims);
  if (count < 0) {
    throw ConvertError("its dimensions " + graph::shape_text(tensor.dims) + " are out of range",
                       label(tensor));
  }
  auto made = std::make_shared<Constant>();
  made->dtype = *type;
  made->shape = tensor.dims;
  const size_t size = static_cast<size_t>(count) * element_bytes(tensor.type);
  const Bytes raw = tensor.external ? files.find(tensor, size) : tensor.raw;
  if (tensor.external || tensor.has_raw) {
    if (raw.size() != size) {
      throw ConvertError("its dimensions " + graph::shape_text(tensor.dims) + " need " +
                             std::to_string(size) + " bytes, but it has " +
                             std::to_string(raw.size()),
                         label(tensor));
    }
    decode_raw(tensor.type, raw, *made);
  } else {
    decode_typed(tensor, *made);
    const size_t held = *type == DType::f32 ? made->f32.size() : made->i64.size();
    if (held != static_cast<size_t>(count)) {
      throw ConvertError("its dimensions " + graph::shape_text(tensor.dims) + " need " +
                             std::to_string(count) + " elements, but it has " +
                             std::to_string(held),
                         label(tensor));
    }
  }
  if (std::any_of(made->f32.begin(), made->f32.end(), [](float x) { return std::isnan(x); })) {
    throw ConvertError("it holds NaN", label(tensor),
                       "The training diverged or the export is broken");
  }
  return made;
}

}  // namespace heed::onnx
