#pragma once
// One application of an op as its rule sees it: operands with types and shapes, and their elements
// where known. `infer` sets the type and shape of each result; `evaluate` fills the elements.

#include <cstdint>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::graph {

struct Operand {
  bool present = false;
  DType dtype = DType::f32;
  Shape shape;
  const Constant* value = nullptr;  // null while only the shape is known
};

class OpCall {
 public:
  OpCall(const Node& called, int64_t opset_version)
      : node(called), opset(opset_version), results(called.outputs.size()) {
    operands.resize(called.inputs.size());
  }

  const Node& node;
  const int64_t opset;  // of the default domain; 0 where unknown, which reads as the newest
  std::vector<Operand> operands;
  std::vector<Constant> results;

  // -- operands; those that name an operand throw when it is absent or of another type
  bool has(size_t i) const { return i < operands.size() && operands[i].present; }
  const Operand& in(size_t i) const;
  const Shape& shape(size_t i) const { return in(i).shape; }
  int64_t rank(size_t i) const { return static_cast<int64_t>(in(i).shape.size()); }
  int64_t dim(size_t i, size_t axis) const { return in(i).shape.at(axis); }
  int64_t elements(size_t i) const;
  const std::vector<float>& f32(size_t i) const;
  const std::vector<int64_t>& i64(size_t i) const;  // i64 or boolean
  bool known(size_t i) const { return has(i) && operands[i].value != nullptr; }
  /// The elements of an i64 operand that must be constant for the shape to be known (axes, sizes).
  const std::vector<int64_t>& constant_ints(size_t i) const;
  /// The only element of a constant operand; `otherwise` where the operand is absent.
  float constant_scalar(size_t i, float otherwise) const;
  void need_rank(size_t i, int64_t expected) const;
  void need_dtype(size_t i, DType expected) const;

  /// An axes-like list that older opsets give as attribute and newer ones as operand i.
  std::vector<int64_t> ints_from(const char* attribute, size_t i) const;
  bool opset_below(int64_t version) const { return opset != 0 && opset < version; }

  // -- results
  void result(size_t i, DType dtype, Shape shape);
  /// Results from the first on that the rule has given a shape.
  size_t results_made() const { return results_made_; }
  void same_as(size_t i) { result(0, in(i).dtype, in(i).shape); }
  /// Sizes the elements of all results: between infer and evaluate.
  void allocate();
  std::vector<float>& y(size_t i = 0) { return results[i].f32; }
  std::vector<int64_t>& yi(size_t i = 0) { return results[i].i64; }
  bool wants(size_t i) const { return i < results.size() && node.outputs[i] != kNoValue; }

  /// Throws ConvertError with this node's label.
  [[noreturn]] void fail(const std::string& reason, const std::string& remedy = "") const;
  void need(bool condition, const char* reason) const {
    if (!condition) fail(reason);
  }
  /// A possibly negative axis as an index below `count`.
  size_t axis(int64_t given, int64_t count) const;

 private:
  size_t results_made_ = 0;
};

/// dims multiplied, or -1 where one is negative or the product passes kElementsMax.
int64_t element_count(const Shape& shape);
inline constexpr int64_t kElementsMax = int64_t{1} << 31;  // 8 GiB of floats: no model we convert
/// Of a constant that no file holds: a few bytes of a hostile one must not fill the memory.
inline constexpr int64_t kMadeElementsMax = int64_t{1} << 24;

/// NumPy's rule. Throws through `call` where the shapes do not fit.
Shape broadcast_shapes(const OpCall& call, const Shape& a, const Shape& b);

/// How an operand of `shape` walks when read in the order of `out`: one stride per dimension of
/// `out`, 0 where the operand repeats.
std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& out);

/// Row-major strides in elements.
std::vector<int64_t> row_strides(const Shape& shape);

}  // namespace heed::graph
