// Any tensor as floats, for people and for comparison.

#include "engine/heed.h"
#include "engine/tensor.h"

namespace {

template <class T>
void widen(const void* data, float* values, size_t count) {
  const T* from = static_cast<const T*>(data);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(from[i]);
}

void dequantise(const heed_tensor& tensor, const heed::Shape& shape, float* values) {
  const heed::Q8Layout layout =
      heed::Q8Layout::of(shape.rows(), shape.last(), tensor.group, tensor.halo);
  const auto* bytes = static_cast<const std::byte*>(tensor.data);
  const auto* scales = reinterpret_cast<const float*>(bytes + layout.scale_offset);
  for (int32_t row = 0; row < layout.rows; ++row) {
    const size_t stored = static_cast<size_t>(row) + static_cast<size_t>(layout.halo);
    const auto* q = reinterpret_cast<const int8_t*>(bytes + stored * layout.step);
    const float* scale = scales + stored * static_cast<size_t>(layout.groups);
    for (int32_t k = 0; k < layout.width; ++k) *values++ = scale[k / layout.group] * q[k];
  }
}

void dequantise_cache(const heed_tensor& tensor, const heed::Shape& shape, float* values) {
  using heed::CachedPart;
  const auto layout = heed::CacheLayout::of(shape, tensor.group);
  const auto part = tensor.type == HEED_Q8_KEYS ? CachedPart::keys : CachedPart::values;
  const ptrdiff_t row = shape.last();
  for (int32_t b = 0; b < layout.batch; ++b) {
    for (int32_t head = 0; head < layout.heads; ++head) {
      const auto* panel = static_cast<const std::byte*>(tensor.data) + layout.panel_offset(b, head);
      heed::read_cached_rows(
          part, reinterpret_cast<const int8_t*>(panel),
          reinterpret_cast<const float*>(panel + layout.scale_offset), layout.capacity,
          layout.width,
          values + ptrdiff_t{b} * layout.capacity * row + ptrdiff_t{head} * layout.width, row);
    }
  }
}

}  // namespace

heed_status heed_tensor_to_float(const heed_tensor* tensor, float* values, size_t count) {
  if (tensor == nullptr || values == nullptr || tensor->data == nullptr ||
      tensor->rank > HEED_MAX_RANK)
    return HEED_INVALID_ARGUMENT;
  heed::Shape shape;
  shape.rank = tensor->rank;
  for (int32_t d = 0; d < tensor->rank; ++d) shape.dims[d] = tensor->dims[d];
  if (count != static_cast<uint64_t>(shape.elements())) return HEED_INVALID_ARGUMENT;
  switch (tensor->type) {
    case HEED_F32:
      widen<float>(tensor->data, values, count);
      break;
    case HEED_I32:
      widen<int32_t>(tensor->data, values, count);
      break;
    case HEED_I64:
      widen<int64_t>(tensor->data, values, count);
      break;
    case HEED_I8:
      widen<int8_t>(tensor->data, values, count);
      break;
    case HEED_U8:
    case HEED_BOOL:
      widen<uint8_t>(tensor->data, values, count);
      break;
    case HEED_Q8_ROWS:
      dequantise(*tensor, shape, values);
      break;
    case HEED_Q8_KEYS:
    case HEED_Q8_VALUES:
      dequantise_cache(*tensor, shape, values);
      break;
    default:
      return HEED_INVALID_ARGUMENT;
  }
  return HEED_OK;
}
