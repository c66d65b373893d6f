// Ops that make tensors out of attributes, shapes or a few numbers.

#include <algorithm>
#include <cmath>

#include "converter/graph/rules/element_types.h"
#include "converter/graph/rules/rule_families.h"

namespace heed::graph {
namespace {

template <class T>
const T* attribute(const OpCall& call, const char* key) {
  auto found = call.node.attributes.find(key);
  return found == call.node.attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

/// The tensor that a Constant node's attributes describe.
Constant described(const OpCall& call) {
  Constant made;
  if (const ConstantPtr* tensor = attribute<ConstantPtr>(call, "value")) return **tensor;
  if (const float* number = attribute<float>(call, "value_float")) {
    made.f32 = {*number};
  } else if (const auto* numbers = attribute<std::vector<float>>(call, "value_floats")) {
    made.f32 = *numbers;
    made.shape = {static_cast<int64_t>(numbers->size())};
  } else if (const int64_t* whole = attribute<int64_t>(call, "value_int")) {
    made.dtype = DType::i64;
    made.i64 = {*whole};
  } else if (const auto* list = attribute<std::vector<int64_t>>(call, "value_ints")) {
    made.dtype = DType::i64;
    made.i64 = *list;
    made.shape = {static_cast<int64_t>(list->size())};
  } else {
    call.fail("a constant of this kind is not supported");
  }
  return made;
}

void infer_constant(OpCall& call) {
  const Constant made = described(call);
  call.result(0, made.dtype, made.shape);
}

void evaluate_constant(OpCall& call) { call.results[0] = described(call); }

void infer_constant_of_shape(OpCall& call) {
  const ConstantPtr* value = attribute<ConstantPtr>(call, "value");
  call.need(value == nullptr || (*value)->elements() == 1, "value must have one element");
  call.result(0, value == nullptr ? DType::f32 : (*value)->dtype, call.constant_ints(0));
}

void evaluate_constant_of_shape(OpCall& call) {
  const ConstantPtr* value = attribute<ConstantPtr>(call, "value");
  if (value == nullptr) return;
  if ((*value)->dtype == DType::f32) {
    std::fill(call.y().begin(), call.y().end(), (*value)->f32[0]);
  } else {
    std::fill(call.yi().begin(), call.yi().end(), (*value)->i64[0]);
  }
}

/// The dimensions that Shape gives: `start` and `end` cut them since opset 15.
Shape shape_part(const OpCall& call) {
  const Shape& shape = call.shape(0);
  const int64_t rank = static_cast<int64_t>(shape.size());
  auto bound = [&](const char* key, int64_t otherwise) {
    const int64_t at = call.node.int_or(key, otherwise);
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = bound("start", 0), end = std::max(bound("end", rank), start);
  return Shape(shape.begin() + start, shape.begin() + end);
}

void infer_shape(OpCall& call) {
  call.result(0, DType::i64, {static_cast<int64_t>(shape_part(call).size())});
}

void evaluate_shape(OpCall& call) { call.yi() = shape_part(call); }

void infer_size(OpCall& call) { call.result(0, DType::i64, {}); }

void evaluate_size(OpCall& call) { call.yi()[0] = call.elements(0); }

void infer_range(OpCall& call) {
  call.need(call.in(1).dtype == call.in(0).dtype && call.in(2).dtype == call.in(0).dtype,
            "start, limit and delta have different types");
  for (size_t i = 0; i < 3; ++i) call.need(call.elements(i) == 1, "needs three scalars");
  call.need(call.known(0) && call.known(1) && call.known(2),
            "start, limit and delta decide the output's shape but are not constant");
  auto number = [&](size_t i) {
    return call.in(i).dtype == DType::f32 ? static_cast<double>(call.f32(i)[0])
                                          : static_cast<double>(call.i64(i)[0]);
  };
  const double count = std::ceil((number(1) - number(0)) / number(2));
  call.need(count < static_cast<double>(kElementsMax), "delta is 0 or the range too long");
  call.result(0, call.in(0).dtype, {count > 0 ? static_cast<int64_t>(count) : 0});
}

void evaluate_range(OpCall& call) {
  if (call.in(0).dtype == DType::f32) {
    const float start = call.f32(0)[0], delta = call.f32(2)[0];
    for (size_t i = 0; i < call.y().size(); ++i) {
      call.y()[i] = start + static_cast<float>(i) * delta;
    }
  } else {
    const int64_t start = call.i64(0)[0], delta = call.i64(2)[0];
    for (size_t i = 0; i < call.yi().size(); ++i) {
      call.yi()[i] = wrapping_add(start, wrapping_multiply(static_cast<int64_t>(i), delta));
    }
  }
}

void infer_eye_like(OpCall& call) {
  call.need_rank(0, 2);
  const int64_t type = call.node.int_or("dtype", 0);  // of ONNX; absent: as the operand's
  const bool floats = type == 1 || type == 10 || type == 11 || type == 16;
  const DType made = type == 0 ? call.in(0).dtype : floats ? DType::f32 : DType::i64;
  call.result(0, made, call.shape(0));
}

void evaluate_eye_like(OpCall& call) {
  const int64_t k = call.node.int_or("k", 0), width = call.dim(0, 1);
  for (int64_t row = 0; row < call.dim(0, 0); ++row) {
    if (k < -row || k >= width - row) continue;
    const size_t at = static_cast<size_t>(row * width + row + k);
    if (call.results[0].dtype == DType::f32) {
      call.y()[at] = 1.0f;
    } else {
      call.yi()[at] = 1;
    }
  }
}

void infer_one_hot(OpCall& call) {
  call.need(call.known(1) && call.elements(1) == 1, "depth must be a constant scalar");
  call.need(call.elements(2) == 2, "values must be off and on");
  const Operand& depth = call.in(1);
  const int64_t count =
      depth.dtype == DType::f32 ? static_cast<int64_t>(depth.value->f32[0]) : depth.value->i64[0];
  call.need(count > 0 && count < kElementsMax, "depth is out of range");
  Shape out = call.shape(0);
  const size_t axis = call.axis(call.node.int_or("axis", -1), call.rank(0) + 1);
  out.insert(out.begin() + static_cast<ptrdiff_t>(axis), count);
  call.result(0, call.in(2).dtype, out);
}

void evaluate_one_hot(OpCall& call) {
  const Shape& out = call.results[0].shape;
  const size_t axis = call.axis(call.node.int_or("axis", -1), call.rank(0) + 1);
  int64_t inner = 1;
  for (size_t i = axis + 1; i < out.size(); ++i) inner *= out[i];
  const int64_t depth = out[axis];
  auto fill = [&](const auto& values, auto& y) {
    std::fill(y.begin(), y.end(), values[0]);
    const std::vector<int64_t>& ids = call.i64(0);
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t id = ids[i] < 0 ? ids[i] + depth : ids[i];
      if (id < 0 || id >= depth) continue;
      const int64_t at = static_cast<int64_t>(i);
      y[static_cast<size_t>(((at / inner) * depth + id) * inner + at % inner)] = values[1];
    }
  };
  if (call.in(2).dtype == DType::f32) {
    fill(call.f32(2), call.y());
  } else {
    fill(call.i64(2), call.yi());
  }
}

void infer_non_zero(OpCall& call) {
  if (!call.known(0)) call.fail("the output's shape depends on the model's input");
  const Constant& x = *call.in(0).value;
  const int64_t count =
      x.dtype == DType::f32
          ? std::count_if(x.f32.begin(), x.f32.end(), [](float v) { return v != 0.0f; })
          : std::count_if(x.i64.begin(), x.i64.end(), [](int64_t v) { return v != 0; });
  call.result(0, DType::i64, {call.rank(0), count});
}

void evaluate_non_zero(OpCall& call) {
  const Constant& x = *call.in(0).value;
  const std::vector<int64_t> strides = row_strides(x.shape);
  const int64_t columns = call.results[0].shape[1];
  int64_t column = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const size_t at = static_cast<size_t>(i);
    if (x.dtype == DType::f32 ? x.f32[at] == 0.0f : x.i64[at] == 0) continue;
    for (size_t axis = 0; axis < strides.size(); ++axis) {
      call.yi()[axis * static_cast<size_t>(columns) + static_cast<size_t>(column)] =
          i / strides[axis] % x.shape[axis];
    }
    ++column;
  }
}

constexpr const char* kConditionUnknown =
    "its condition depends on the model's input; only conditions that are constant once the "
    "shapes are known can be converted. Where it is an input, --constant NAME=0 or =1 chooses a "
    "branch";
void infer_if(OpCall& call) { call.fail(kConditionUnknown); }

constexpr OpRule kGenerateRules[] = {
    {"", "Constant", infer_constant, evaluate_constant},
    {"", "ConstantOfShape", infer_constant_of_shape, evaluate_constant_of_shape},
    {"", "EyeLike", infer_eye_like, evaluate_eye_like, true},
    {"", "If", infer_if, infer_if},  // fold_constants() resolves it
    {"", "NonZero", infer_non_zero, evaluate_non_zero},
    {"", "OneHot", infer_one_hot, evaluate_one_hot},
    {"", "Range", infer_range, evaluate_range},
    {"", "Shape", infer_shape, evaluate_shape, true},
    {"", "Size", infer_size, evaluate_size, true},
};

}  // namespace

std::span<const OpRule> generate_rules() { return kGenerateRules; }

}  // namespace heed::graph
