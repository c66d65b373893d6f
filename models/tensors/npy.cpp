#include "models/tensors/npy.h"

#include <stdio.h>
#include <string.h>

#include <fstream>
#include <limits>
#include <type_traits>

#include "models/whole_file.h"

namespace heed {
namespace {

struct TypeName {
  const char* descr;
  NpyType type;
  size_t bytes;
};
constexpr TypeName kTypes[] = {
    {"<f4", NpyType::f32, 4}, {"<f8", NpyType::f64, 8},     {"<f2", NpyType::f16, 2},
    {"<i8", NpyType::i64, 8}, {"<i4", NpyType::i32, 4},     {"|i1", NpyType::i8, 1},
    {"|u1", NpyType::u8, 1},  {"|b1", NpyType::boolean, 1},
};

constexpr char kMagic[] = "\x93NUMPY";
constexpr int64_t kElementsMax = int64_t{1} << 40;

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, exponent = (half >> 10) & 31,
                 fraction = half & 1023;
  float value;
  if (exponent == 0) {  // zero or subnormal
    value = static_cast<float>(fraction) * (1.0f / 16777216.0f);
    return sign ? -value : value;
  }
  const uint32_t bits =
      sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// The text after `key` in the header's Python dictionary, or empty.
std::string field(const std::string& header, const std::string& key) {
  const size_t at = header.find("'" + key + "'");
  const size_t colon = at == std::string::npos ? at : header.find(':', at);
  if (colon == std::string::npos) return "";
  const size_t begin = header.find_first_not_of(' ', colon + 1);
  return begin == std::string::npos ? "" : header.substr(begin);
}

bool parse_shape(const std::string& text, std::vector<int64_t>* shape) {
  if (text.empty() || text[0] != '(') return false;
  int64_t product = 1, value = -1;
  for (size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9') {
      value = (value < 0 ? 0 : value) * 10 + (c - '0');
      if (value > kElementsMax) return false;
    } else if (c == ',' || c == ')') {
      if (value >= 0) {
        shape->push_back(value);
        if (value != 0 && product > kElementsMax / value) return false;
        product *= value;
      }
      value = -1;
      if (c == ')') return true;
    } else if (c != ' ') {
      return false;
    }
  }
  return false;
}

/// What no integer can hold becomes the nearest that one can, NaN becomes 0.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (!(value > -0x1p63)) return value == value ? std::numeric_limits<To>::min() : To{0};
    if (value >= 0x1p63) return std::numeric_limits<To>::max();
  }
  return static_cast<To>(value);
}

template <class To>
std::vector<To> convert_all(const Npy& npy) {
  const size_t n = static_cast<size_t>(npy.elements());
  std::vector<To> out(n);
  const auto each = [&](auto zero) {
    using From = decltype(zero);
    for (size_t i = 0; i < n; ++i) {
      From value;
      memcpy(&value, npy.bytes.data() + i * sizeof(From), sizeof(From));
      out[i] = converted<To>(value);
    }
  };
  switch (npy.type) {
    case NpyType::f32:
      each(0.0f);
      break;
    case NpyType::f64:
      each(0.0);
      break;
    case NpyType::i64:
      each(int64_t{0});
      break;
    case NpyType::i32:
      each(int32_t{0});
      break;
    case NpyType::i8:
      each(int8_t{0});
      break;
    case NpyType::u8:
    case NpyType::boolean:
      each(uint8_t{0});
      break;
    case NpyType::f16:
      for (size_t i = 0; i < n; ++i) {
        uint16_t half;
        memcpy(&half, npy.bytes.data() + i * 2, 2);
        out[i] = converted<To>(half_to_float(half));
      }
      break;
  }
  return out;
}

}  // namespace

int64_t Npy::elements() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

std::vector<float> Npy::floats() const { return convert_all<float>(*this); }
std::vector<int64_t> Npy::integers() const { return convert_all<int64_t>(*this); }

size_t npy_element_bytes(NpyType type) {
  for (const TypeName& name : kTypes)
    if (name.type == type) return name.bytes;
  return 0;
}

bool decode_npy(const uint8_t* bytes, size_t size, Npy* out, std::string* error) {
  const auto refuse = [&](const std::string& why) {
    *error = why;
    return false;
  };
  if (size < 12 || memcmp(bytes, kMagic, 6) != 0) return refuse("is not an .npy file");
  const size_t width = bytes[6] == 1 ? 2 : 4;
  size_t header_bytes = 0;
  for (size_t i = 0; i < width; ++i) header_bytes |= static_cast<size_t>(bytes[8 + i]) << (8 * i);
  const size_t begin = 8 + width;
  if (bytes[6] < 1 || bytes[6] > 3 || header_bytes > size - begin)
    return refuse("has a damaged .npy header");
  const std::string header(reinterpret_cast<const char*>(bytes) + begin, header_bytes);

  const std::string descr = field(header, "descr");
  const TypeName* type = nullptr;
  for (const TypeName& name : kTypes)
    if (descr.size() > 4 && descr.compare(1, 3, name.descr) == 0) type = &name;
  if (type == nullptr)
    return refuse("holds elements of type " + descr.substr(0, 8) + ", which are not read");
  if (field(header, "fortran_order").compare(0, 5, "False") != 0)
    return refuse("is in Fortran order; save it with numpy.ascontiguousarray");
  out->shape.clear();
  if (!parse_shape(field(header, "shape"), &out->shape))
    return refuse("has a damaged shape in its .npy header");
  out->type = type->type;
  const size_t data = begin + header_bytes,
               wanted = static_cast<size_t>(out->elements()) * type->bytes;
  if (size - data < wanted)
    return refuse("is cut short: " + std::to_string(size - data) +
                  " bytes of data where its shape needs " + std::to_string(wanted));
  out->bytes.assign(bytes + data, bytes + data + wanted);
  return true;
}

bool read_npy(const std::string& path, Npy* out, std::string* error) {
  std::vector<uint8_t> bytes;
  if (!read_whole_file(path, &bytes, error)) return false;
  std::string why;
  if (decode_npy(bytes.data(), bytes.size(), out, &why)) return true;
  *error = "'" + path + "' " + why;
  return false;
}

bool write_npy(const std::string& path, NpyType type, const std::vector<int64_t>& shape,
               const void* data, std::string* error) {
  std::string header = "{'descr': '";
  for (const TypeName& name : kTypes)
    if (name.type == type) header += name.descr;
  header += "', 'fortran_order': False, 'shape': (";
  size_t elements = 1;
  for (int64_t d : shape) {
    header += std::to_string(d) + ",";
    elements *= static_cast<size_t>(d);
  }
  header += "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  const std::string beside = path + ".part";
  {
    std::ofstream out(beside, std::ios::binary);
    out.write("\x93NUMPY\x01\x00", 8);
    const char length[2] = {static_cast<char>(header.size() & 255),
                            static_cast<char>(header.size() >> 8)};
    out.write(length, 2);
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    out.write(static_cast<const char*>(data),
              static_cast<std::streamsize>(elements * npy_element_bytes(type)));
    out.close();
    if (out.good() && rename(beside.c_str(), path.c_str()) == 0) return true;
  }
  remove(beside.c_str());
  *error = "cannot write '" + path + "'";
  return false;
}

}  // namespace heed
