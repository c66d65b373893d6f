#include "converter/graph/op_call.h"

#include <algorithm>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/print_graph.h"

namespace heed::graph {

const Operand& OpCall::in(size_t i) const {
  if (!has(i)) fail("operand " + std::to_string(i) + " is missing");
  return operands[i];
}

int64_t OpCall::elements(size_t i) const { return element_count(in(i).shape); }

const std::vector<float>& OpCall::f32(size_t i) const {
  need_dtype(i, DType::f32);
  return in(i).value->f32;
}

const std::vector<int64_t>& OpCall::i64(size_t i) const {
  const DType type = in(i).dtype;
  if (type != DType::i64 && type != DType::boolean) need_dtype(i, DType::i64);
  return in(i).value->i64;
}

const std::vector<int64_t>& OpCall::constant_ints(size_t i) const {
  if (in(i).value == nullptr) {
    fail("operand " + std::to_string(i) + " decides the output's shape but is not constant",
         "Export the model with static shapes, or give the shapes of its inputs with --shape");
  }
  return i64(i);
}

float OpCall::constant_scalar(size_t i, float otherwise) const {
  if (!has(i)) return otherwise;
  if (in(i).value == nullptr) fail("operand " + std::to_string(i) + " must be constant");
  const Constant& value = *in(i).value;
  if (value.elements() != 1) fail("operand " + std::to_string(i) + " must have one element");
  return value.dtype == DType::f32 ? value.f32[0] : static_cast<float>(value.i64[0]);
}

void OpCall::need_rank(size_t i, int64_t expected) const {
  if (rank(i) == expected) return;
  fail("operand " + std::to_string(i) + " must have " + std::to_string(expected) +
       " dimensions, but is " + shape_text(shape(i)));
}

void OpCall::need_dtype(size_t i, DType expected) const {
  if (in(i).dtype == expected) return;
  fail("operand " + std::to_string(i) + " must be " + dtype_text(expected) + ", but is " +
       dtype_text(in(i).dtype));
}

std::vector<int64_t> OpCall::ints_from(const char* attribute, size_t i) const {
  return has(i) ? constant_ints(i) : node.ints_or(attribute, {});
}

void OpCall::result(size_t i, DType dtype, Shape shape) {
  if (i >= results.size()) return;
  if (element_count(shape) < 0) fail("the output would have the shape " + shape_text(shape));
  results[i].dtype = dtype;
  results[i].shape = std::move(shape);
  results_made_ = std::max(results_made_, i + 1);
}

void OpCall::allocate() {
  for (Constant& made : results) {
    const size_t count = static_cast<size_t>(element_count(made.shape));
    if (made.dtype == DType::f32) {
      made.f32.resize(count);
    } else {
      made.i64.resize(count);
    }
  }
}

void OpCall::fail(const std::string& reason, const std::string& remedy) const {
  throw ConvertError(reason, node_label(node), remedy);
}

size_t OpCall::axis(int64_t given, int64_t count) const {
  const int64_t index = given < 0 ? given + count : given;
  if (index < 0 || index >= count) {
    fail("axis " + std::to_string(given) + " of " + std::to_string(count) + " dimensions");
  }
  return static_cast<size_t>(index);
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t dim : shape) {
    if (dim < 0) return -1;
    if (dim == 0) {
      empty = true;
    } else if (count > kElementsMax / dim) {
      return -1;
    } else {
      count *= dim;
    }
  }
  return empty ? 0 : count;
}

Shape broadcast_shapes(const OpCall& call, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {  // from the last dimension
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      call.fail("shapes " + shape_text(a) + " and " + shape_text(b) + " do not broadcast");
    }
    out[out.size() - 1 - i] = da == 1 ? db : da;
  }
  return out;
}

std::vector<int64_t> row_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& out) {
  std::vector<int64_t> strides(out.size(), 0);
  const std::vector<int64_t> own = row_strides(shape);
  const size_t lead = out.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) strides[lead + i] = shape[i] == 1 ? 0 : own[i];
  return strides;
}

}  // namespace heed::graph
