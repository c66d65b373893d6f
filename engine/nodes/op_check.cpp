#include "engine/nodes/op_check.h"

#include <algorithm>
#include <cmath>

namespace heed {

bool same_shape(const Shape& a, const Shape& b) {
  return a.rank == b.rank && std::equal(a.dims, a.dims + a.rank, b.dims);
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape* out) {
  out->rank = std::max(a.rank, b.rank);
  for (int32_t i = 0; i < out->rank; ++i) {
    const int32_t in_a = i - (out->rank - a.rank), in_b = i - (out->rank - b.rank);
    const int32_t da = in_a < 0 ? 1 : a.dims[in_a], db = in_b < 0 ? 1 : b.dims[in_b];
    if (da != db && da != 1 && db != 1) return false;
    out->dims[i] = da == 1 ? db : da;
  }
  return true;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  Shape both;
  return broadcast_shapes(from, to, &both) && same_shape(both, to);
}

Status OpCheck::inputs(size_t needed, size_t most) const {
  const auto* list = info_.op->inputs();
  const size_t count = list ? list->size() : 0;
  HEED_TRY(require(count >= needed && count <= most, "the op has the wrong number of inputs",
                   static_cast<int64_t>(needed), static_cast<int64_t>(count)));
  for (size_t i = 0; i < needed; ++i) {
    HEED_TRY(require(info_.has_input(i), "an input that the op needs is left out", 0,
                     static_cast<int64_t>(i)));
  }
  return Status::ok;
}

Status OpCheck::operands(size_t needed, size_t most) const {
  HEED_TRY(inputs(needed, most));
  const auto* list = info_.op->outputs();
  return require(list && list->size() == 1 && info_.has_output(0), "the op needs one output", 1,
                 list ? list->size() : 0);
}

Status OpCheck::operands_with_epilogue(size_t needed, size_t most) const {
  HEED_TRY(inputs(needed, most));
  const auto* list = info_.op->outputs();
  const size_t count = list ? list->size() : 0;
  HEED_TRY(require(count >= 1 && count <= 3, "the op needs one to three outputs", 3,
                   static_cast<int64_t>(count)));
  return require(info_.has_output(0) || info_.has_output(1) || info_.has_output(2),
                 "the op stores nothing");
}

Status OpCheck::quantised(const TensorView& tensor) const {
  constexpr int64_t kMost = INT32_MAX / 4;
  HEED_TRY(type(tensor, DataType::q8_rows));
  HEED_TRY(require(tensor.group % 16 == 0 && tensor.group <= kMost,
                   "the group of quantised rows is no multiple of 16", 16, tensor.group));
  return require(tensor.shape.rank >= 1 && tensor.shape.last() >= 1 &&
                     tensor.shape.last() <= kMost && tensor.shape.rows() <= kMost &&
                     tensor.halo <= kMost,
                 "quantised rows are too large", kMost, tensor.shape.rows());
}

Status OpCheck::cache(const TensorView& tensor, DataType expected, int64_t batch,
                      int64_t capacity) const {
  constexpr int64_t kMost = INT32_MAX / 4;
  HEED_TRY(type(tensor, expected));
  HEED_TRY(require(
      tensor.shape.rank == 3 && tensor.shape.dims[0] == batch && tensor.shape.dims[1] == capacity,
      "a cache has another shape than its op says", batch * capacity, tensor.shape.rows()));
  HEED_TRY(require(tensor.shape.rows() <= kMost && tensor.shape.last() <= kMost,
                   "a cache is too large", kMost, tensor.shape.rows()));
  return require(tensor.group > 0 && tensor.group % kCachedPanelRows == 0 &&
                     static_cast<uint32_t>(tensor.shape.last()) % tensor.group == 0,
                 "heads of a cache are no multiple of 16 wide", 0, tensor.group);
}

Status OpCheck::floats_for_cache(const TensorView& tensor) const {
  if (tensor.type != DataType::q8_rows) return type(tensor, DataType::f32);
  return heed::fail(diagnostic_, Status::unsupported,
                    "an older converter laid out this cache: convert the model again", info_.index);
}

Status OpCheck::permutation(const flatbuffers::Vector<uint32_t>* list, const Shape& x) const {
  const uint32_t count = list ? list->size() : 0;
  HEED_TRY(require(count == static_cast<uint32_t>(x.rank), "a permutation has the wrong length",
                   x.rank, count));
  uint32_t seen = 0;
  for (uint32_t d = 0; d < count; ++d) {
    const uint32_t from = list->Get(d);
    HEED_TRY(require(from < count && !(seen >> from & 1), "not a permutation", d, from));
    seen |= 1u << from;
  }
  return Status::ok;
}

Status OpCheck::packed_constant(const TensorView& tensor, DataType expected_type,
                                int64_t elements) const {
  HEED_TRY(type(tensor, expected_type));
  HEED_TRY(require(tensor.shape.elements() == elements, "a packed constant has the wrong size",
                   elements, tensor.shape.elements()));
  HEED_TRY(require(tensor.data != nullptr, "weights must be constants"));
  return require(reinterpret_cast<uintptr_t>(tensor.data) % kAlignment == 0,
                 "a packed constant is not aligned");
}

Status OpCheck::scales(const TensorView& tensor, int64_t elements) const {
  HEED_TRY(packed_constant(tensor, DataType::f32, elements));
  const float* values = tensor.as<const float>();
  bool good = true;
  for (int64_t i = 0; i < elements; ++i) good = good && std::isfinite(values[i]) && values[i] >= 0;
  return require(good, "a scale is not a finite number of 0 or more");
}

}  // namespace heed
