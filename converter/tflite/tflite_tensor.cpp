#include "converter/tflite/tflite_tensor.h"

#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/tflite/tflite_generated.h"

namespace heed::tflite {
namespace {

using graph::Constant;
using graph::DType;
using tfl::TensorType;

float half_to_float(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent == 0) {
    const float small = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -small : small;
  }
  const uint32_t bits =
      sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

[[noreturn]] void fail(const tfl::Tensor& tensor, const std::string& why) {
  throw ConvertError(why, tensor_label(tensor));
}

template <class Element>
std::vector<Element> elements_of(const TfliteFile& file, const tfl::Tensor& tensor, int64_t count) {
  const std::string_view bytes = file.bytes_of(tensor);
  if (bytes.size() != static_cast<size_t>(count) * sizeof(Element)) {
    fail(tensor, "its " + std::to_string(count) + " elements do not fit " +
                     std::to_string(bytes.size()) + " bytes");
  }
  std::vector<Element> elements(static_cast<size_t>(count));
  if (!bytes.empty()) std::memcpy(elements.data(), bytes.data(), bytes.size());
  return elements;
}

template <class Element>
std::vector<int64_t> widened(const TfliteFile& file, const tfl::Tensor& tensor, int64_t count) {
  const std::vector<Element> elements = elements_of<Element>(file, tensor, count);
  return {elements.begin(), elements.end()};
}

/// Two in a byte, the first in its lower half.
std::vector<int64_t> nibbles(const TfliteFile& file, const tfl::Tensor& tensor, int64_t count) {
  const std::vector<uint8_t> bytes = elements_of<uint8_t>(file, tensor, (count + 1) / 2);
  std::vector<int64_t> elements(static_cast<size_t>(count));
  for (size_t i = 0; i < elements.size(); ++i) {
    const int nibble = i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
    elements[i] = nibble < 8 ? nibble : nibble - 16;
  }
  return elements;
}

std::vector<int64_t> integers_of(const TfliteFile& file, const tfl::Tensor& tensor, int64_t count) {
  switch (tensor.type()) {
    case TensorType::int4:
      return nibbles(file, tensor, count);
    case TensorType::int8:
      return widened<int8_t>(file, tensor, count);
    case TensorType::uint8:
      return widened<uint8_t>(file, tensor, count);
    case TensorType::int16:
      return widened<int16_t>(file, tensor, count);
    case TensorType::uint16:
      return widened<uint16_t>(file, tensor, count);
    case TensorType::int32:
      return widened<int32_t>(file, tensor, count);
    case TensorType::uint32:
      return widened<uint32_t>(file, tensor, count);
    case TensorType::int64:
      return widened<int64_t>(file, tensor, count);
    case TensorType::boolean: {
      std::vector<int64_t> flags = widened<uint8_t>(file, tensor, count);
      for (int64_t& flag : flags) flag = flag != 0;
      return flags;
    }
    default:
      fail(tensor, "type " + type_text(tensor) + " is not supported");
  }
}

/// scale * (q - zero point), with the scale of each element's place.
std::vector<float> dequantised(const tfl::Tensor& tensor, const graph::Shape& shape,
                               const std::vector<int64_t>& q) {
  const tfl::QuantizationParameters& how = *tensor.quantization();
  const auto& scales = *how.scale();
  const size_t zeros = how.zero_point() == nullptr ? 0 : how.zero_point()->size();
  size_t inner = 1, count = scales.size();
  if (count > 1) {
    const int64_t axis = how.quantized_dimension();
    if (axis < 0 || axis >= static_cast<int64_t>(shape.size()) ||
        shape[static_cast<size_t>(axis)] != static_cast<int64_t>(count)) {
      fail(tensor, "its " + std::to_string(count) + " scales fit none of its dimensions");
    }
    for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) {
      inner *= static_cast<size_t>(shape[i]);
    }
  }
  if (zeros > 1 && zeros != count) fail(tensor, "its zero points do not fit its scales");
  for (const float scale : scales) {
    if (!std::isfinite(scale) || scale < 0) fail(tensor, "a scale is out of range");
  }
  std::vector<float> real(q.size());
  for (size_t i = 0; i < q.size(); ++i) {
    const auto channel = static_cast<flatbuffers::uoffset_t>(inner == 0 ? 0 : i / inner % count);
    const int64_t zero = zeros == 0 ? 0 : how.zero_point()->Get(zeros == 1 ? 0 : channel);
    const double offset = static_cast<double>(q[i]) - static_cast<double>(zero);
    real[i] = static_cast<float>(double{scales.Get(channel)} * offset);
  }
  return real;
}

}  // namespace

bool is_quantised(const tfl::Tensor& tensor) {
  const auto* how = tensor.quantization();
  if (how == nullptr || how->scale() == nullptr || how->scale()->size() == 0) return false;
  switch (tensor.type()) {
    case TensorType::int4:
    case TensorType::int8:
    case TensorType::uint8:
    case TensorType::int16:
    case TensorType::int32:
    case TensorType::int64:
      return true;
    default:
      return false;
  }
}

graph::DType graph_type(const tfl::Tensor& tensor) {
  const auto* how = tensor.quantization();
  if (how != nullptr && static_cast<int>(how->details_type()) != 0) {
    fail(tensor, "quantisation of this kind is not supported");
  }
  if (is_quantised(tensor)) return DType::f32;
  switch (tensor.type()) {
    case TensorType::float32:
    case TensorType::float16:
    case TensorType::float64:
      return DType::f32;
    case TensorType::boolean:
      return DType::boolean;
    case TensorType::int8:
    case TensorType::uint8:
    case TensorType::int16:
    case TensorType::uint16:
    case TensorType::int32:
    case TensorType::uint32:
    case TensorType::int64:
      return DType::i64;
    default:
      fail(tensor, "type " + type_text(tensor) + " is not supported");
  }
}

std::string type_text(const tfl::Tensor& tensor) {
  const std::string name = tfl::EnumNameTensorType(tensor.type());
  return name.empty() ? std::to_string(static_cast<int>(tensor.type())) : name;
}

graph::Shape shape_of(const tfl::Tensor& tensor) {
  if (tensor.shape() == nullptr) return {};
  return {tensor.shape()->begin(), tensor.shape()->end()};
}

graph::ConstantPtr make_constant(const TfliteFile& file, const tfl::Tensor& tensor) {
  auto made = std::make_shared<Constant>();
  made->dtype = graph_type(tensor);
  made->shape = shape_of(tensor);
  const int64_t count = graph::element_count(made->shape);
  if (count < 0) fail(tensor, "its dimensions are out of range");
  if (tensor.type() == TensorType::float32) {
    made->f32 = elements_of<float>(file, tensor, count);
  } else if (tensor.type() == TensorType::float64) {
    for (const double x : elements_of<double>(file, tensor, count)) {
      made->f32.push_back(static_cast<float>(x));
    }
  } else if (tensor.type() == TensorType::float16) {
    for (const uint16_t x : elements_of<uint16_t>(file, tensor, count)) {
      made->f32.push_back(half_to_float(x));
    }
  } else if (is_quantised(tensor)) {
    made->f32 = dequantised(tensor, made->shape, integers_of(file, tensor, count));
  } else {
    made->i64 = integers_of(file, tensor, count);
  }
  for (const float x : made->f32) {
    if (std::isnan(x)) fail(tensor, "an element is not a number");
  }
  return made;
}

void need_symmetric_weights(const tfl::Tensor& tensor) {
  if (!is_quantised(tensor)) return;
  if (tensor.type() != TensorType::int8 && tensor.type() != TensorType::int4) {
    fail(tensor, "weights of type " + type_text(tensor) + " are not supported, only int8 and int4");
  }
  const auto* zeros = tensor.quantization()->zero_point();
  for (size_t i = 0; zeros != nullptr && i < zeros->size(); ++i) {
    if (zeros->Get(static_cast<flatbuffers::uoffset_t>(i)) != 0) {
      fail(tensor, "weights with a zero point other than 0 are not supported");
    }
  }
}

}  // namespace heed::tflite
