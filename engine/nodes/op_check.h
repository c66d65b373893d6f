#pragma once
// What the verify functions of the nodes share. Files are untrusted: nothing about an op is assumed
// but that FlatBuffers can walk it and that its tensor indices and tensors are sound by themselves.

#include <stddef.h>
#include <stdint.h>

#include "engine/node.h"

namespace heed {

bool same_shape(const Shape& a, const Shape& b);

/// NumPy broadcast of two shapes; false when they do not fit each other.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape* out);

/// Whether `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

constexpr bool is_integer(DataType type) { return type == DataType::i32 || type == DataType::i64; }

/// One op under verification; each check is one line with its sentence.
class OpCheck {
 public:
  OpCheck(const OpInfo& info, heed_diagnostic* diagnostic) : info_(info), diagnostic_(diagnostic) {}

  Status fail(const char* what, int64_t expected = 0, int64_t actual = 0) const {
    return heed::fail(diagnostic_, Status::bad_model, what, info_.index, -1, expected, actual);
  }
  Status require(bool holds, const char* what, int64_t expected = 0, int64_t actual = 0) const {
    return holds ? Status::ok : fail(what, expected, actual);
  }

  /// The first `needed` inputs are there, no more than `most` are named, and exactly one output.
  Status operands(size_t needed, size_t most) const;
  /// As above for ops with an epilogue: one to three outputs, any of which may be left out.
  Status operands_with_epilogue(size_t needed, size_t most) const;
  /// Elements of a plain type.
  Status plain(const TensorView& tensor) const {
    return require(!is_quantised(tensor.type), "an operand may not be of quantised rows");
  }
  /// Quantised rows whose layout can be computed and addressed.
  Status quantised(const TensorView& tensor) const;
  /// A cache of int8 of `batch` batches of `capacity` rows whose layout can be computed.
  Status cache(const TensorView& tensor, DataType expected, int64_t batch, int64_t capacity) const;
  Status type(const TensorView& tensor, DataType expected) const {
    return require(tensor.type == expected, "an operand has the wrong type",
                   static_cast<int64_t>(expected), static_cast<int64_t>(tensor.type));
  }
  /// Floats, where a cache of int8 may be, too. Up to version 1001 those were q8_rows.
  Status floats_for_cache(const TensorView& tensor) const;
  Status same(const Shape& a, const Shape& b) const {
    return require(same_shape(a, b), "two operands differ in shape", a.elements(), b.elements());
  }
  /// Every dimension of x once. Null is a list of none.
  Status permutation(const flatbuffers::Vector<uint32_t>* list, const Shape& x) const;
  /// A constant of exactly `elements` elements that kernels may read with aligned loads.
  Status packed_constant(const TensorView& tensor, DataType expected_type, int64_t elements) const;
  /// The same for float scales, all of them finite and not negative.
  Status scales(const TensorView& tensor, int64_t elements) const;

 private:
  Status inputs(size_t needed, size_t most) const;

  const OpInfo& info_;
  heed_diagnostic* diagnostic_;
};

}  // namespace heed
