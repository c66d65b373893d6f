// ONNX ops that sum over a dimension: matrix products, softmax, reductions, unfused norms.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>

#include "converter/graph/convert_error.h"
#include "converter/lowering.h"

namespace heed {
namespace {

using graph::Node;
using graph::ValueId;
using graph::kNoValue;

struct ReduceName {
  const char* op;
  fb::ReduceKind kind;
};
constexpr ReduceName kReduceNames[] = {
    {"ReduceSum", fb::ReduceKind::sum},       {"ReduceMean", fb::ReduceKind::mean},
    {"ReduceMax", fb::ReduceKind::max},       {"ReduceMin", fb::ReduceKind::min},
    {"ReduceProd", fb::ReduceKind::prod},     {"ReduceL1", fb::ReduceKind::l1},
    {"ReduceL2", fb::ReduceKind::l2},         {"ReduceSumSquare", fb::ReduceKind::sum_square},
    {"ReduceLogSum", fb::ReduceKind::log_sum}, {"ReduceLogSumExp", fb::ReduceKind::log_sum_exp},
    {"ArgMax", fb::ReduceKind::arg_max},      {"ArgMin", fb::ReduceKind::arg_min},
    {"GlobalAveragePool", fb::ReduceKind::mean}, {"GlobalMaxPool", fb::ReduceKind::max},
};

}  // namespace

bool Lowering::lower_matmul(const Node& node) {
  if (node.is("Gemm")) return lower_gemm(node);
  if (node.is("Softmax") || node.is("LogSoftmax")) return lower_softmax(node);
  if (!node.is("MatMul")) return false;
  Dims a = to_dims(shape(node.inputs[0])), b = to_dims(shape(node.inputs[1]));
  Dims out = to_dims(shape(node.outputs[0]));
  // A vector is a matrix of one row, or on the right of one column.
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) {
    a.insert(a.begin(), 1);
    out.insert(column ? out.end() : out.end() - 1, 1);
  }
  if (column) {
    b.push_back(1);
    out.push_back(1);
  }
  const int32_t left = reshaped(node.inputs[0], a), right = reshaped(node.inputs[1], b);
  const int32_t result = make_plain(node.outputs[0]);
  emit(node.name, fb::MatmulOptionsT{}, {left, right},
       {row || column ? view(result, 0, out) : result});
  return true;
}

/// alpha * a b + beta * c with either operand transposed; what no linear took.
bool Lowering::lower_gemm(const Node& node) {
  int32_t a = plain(node.inputs[0]), b = plain(node.inputs[1]);
  if (node.int_or("transA", 0) != 0) a = transposed(node, a, {1, 0});
  if (node.int_or("transB", 0) != 0) b = transposed(node, b, {1, 0});
  const float alpha = node.float_or("alpha", 1.0f), beta = node.float_or("beta", 1.0f);
  const bool adds = node.inputs.size() > 2 && node.inputs[2] != kNoValue && beta != 0.0f;
  const Dims dims = to_dims(shape(node.outputs[0]));
  const int32_t out = make_plain(node.outputs[0]);
  int32_t value = alpha != 1.0f || adds ? scratch(node, "product", DataType::f32, dims) : out;
  emit(node.name, fb::MatmulOptionsT{}, {a, b}, {value});
  if (alpha != 1.0f) {
    const int32_t into = adds ? scratch(node, "scaled", DataType::f32, dims) : out;
    value = binary(node, fb::BinaryKind::mul, value,
                   float_constant(node.name + ":alpha", {}, {alpha}), into);
  }
  if (!adds) return true;
  int32_t c = plain(node.inputs[2]);
  if (beta != 1.0f) {
    const Dims c_dims = to_dims(shape(node.inputs[2]));
    c = binary(node, fb::BinaryKind::mul, c, float_constant(node.name + ":beta", {}, {beta}),
               scratch(node, "bias", DataType::f32, c_dims));
  }
  binary(node, fb::BinaryKind::add, value, c, out);
  return true;
}

bool Lowering::lower_softmax(const Node& node) {
  const Dims dims = to_dims(shape(node.inputs[0]));
  const bool flattens = graph_.opset < 13;
  int64_t axis = node.int_or("axis", flattens ? 1 : -1);
  if (axis < 0) axis += static_cast<int64_t>(dims.size());
  const auto d = static_cast<size_t>(axis);
  fb::SoftmaxOptionsT options;
  options.log = node.is("LogSoftmax");
  const int32_t x = plain(node.inputs[0]);
  const int32_t out = make_plain(node.outputs[0]);
  if (d + 1 == dims.size() || dims.empty()) {
    emit(node.name, std::move(options), {x}, {out});
  } else if (flattens) {
    const auto split = dims.begin() + static_cast<ptrdiff_t>(d);
    const Dims two = {static_cast<uint32_t>(element_count(Dims(dims.begin(), split))),
                      static_cast<uint32_t>(element_count(Dims(split, dims.end())))};
    emit(node.name, std::move(options), {view(x, 0, two)}, {view(out, 0, two)});
  } else {
    std::vector<uint32_t> order(dims.size());
    std::iota(order.begin(), order.end(), 0u);
    std::swap(order[d], order.back());
    const int32_t turned = transposed(node, x, order);
    const int32_t soft = scratch(node, "softmax", DataType::f32, file_.tensor(turned).shape);
    emit(node.name, std::move(options), {turned}, {soft});
    transposed(node, soft, order, out);
  }
  return true;
}

bool Lowering::lower_reduce(const Node& node) {
  const auto* found = std::find_if(std::begin(kReduceNames), std::end(kReduceNames),
                                   [&](const ReduceName& entry) { return node.op == entry.op; });
  if (found == std::end(kReduceNames)) return false;
  const auto rank = static_cast<int64_t>(shape(node.inputs[0]).size());
  std::vector<int64_t> axes;
  if (node.op.compare(0, 3, "Arg") == 0) {
    if (node.int_or("select_last_index", 0) != 0)
      throw ConvertError("select_last_index=1 is not computed");
    axes = {node.int_or("axis", 0)};
  } else if (node.op.compare(0, 6, "Global") == 0) {
    for (int64_t d = 2; d < rank; ++d) axes.push_back(d);
  } else {
    const auto given = ints_of(graph_, node, "axes", 1);
    if (given) axes = *given;
    if (!given && node.inputs.size() > 1 && node.inputs[1] != kNoValue)
      throw ConvertError("its axes are not constant");
    if (axes.empty() && node.int_or("noop_with_empty_axes", 0) == 0)
      for (int64_t d = 0; d < rank; ++d) axes.push_back(d);
  }
  fb::ReduceOptionsT options;
  options.kind = found->kind;
  for (const int64_t axis : axes)
    options.axes.push_back(static_cast<uint32_t>(axis < 0 ? axis + rank : axis));
  std::sort(options.axes.begin(), options.axes.end());
  const int32_t x = plain(node.inputs[0]);
  const int32_t out = make_plain(node.outputs[0]);
  if (options.axes.empty())
    emit(node.name, fb::CopyOptionsT{}, {x}, {out});
  else
    emit(node.name, std::move(options), {x}, {out});
  return true;
}

/// Norms that no pass took: over several dimensions, or per instance and channel.
bool Lowering::lower_normalization(const Node& node) {
  const bool layer = node.is("LayerNormalization"), rms = node.is("RMSNormalization");
  const bool instance = node.is("InstanceNormalization");
  if (!layer && !rms && !instance) return false;
  for (size_t i = 1; i < node.outputs.size(); ++i)
    if (node.outputs[i] != kNoValue && !graph_.value(node.outputs[i]).users.empty())
      throw ConvertError("only its first output can be used");
  const Dims dims = to_dims(shape(node.inputs[0]));
  int64_t axis = instance ? 2 : node.int_or("axis", -1);
  if (axis < 0) axis += static_cast<int64_t>(dims.size());
  const auto split = dims.begin() + static_cast<ptrdiff_t>(axis);
  const auto width = static_cast<uint32_t>(element_count(Dims(split, dims.end())));
  const auto rows = static_cast<uint32_t>(element_count(Dims(dims.begin(), split)));
  fb::RowsOptionsT options;
  options.rows = rows;
  options.epilogue = std::make_unique<fb::EpilogueT>();
  options.epilogue->norm = rms ? fb::Norm::rms : fb::Norm::layer;
  options.epilogue->norm_epsilon = node.float_or("epsilon", 1e-5f);
  const bool shifts = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  if (!instance) {
    options.epilogue->gamma = reshaped(node.inputs[1], {width});
    if (shifts) options.epilogue->beta = reshaped(node.inputs[2], {width});
  } else {
    options.epilogue->gamma =
        float_constant(node.name + ":ones", {width}, std::vector<float>(width, 1.0f));
  }
  const int32_t x = reshaped(node.inputs[0], {rows, width});
  const int32_t out = make_plain(node.outputs[0]);
  if (!instance) {
    emit(node.name, std::move(options), {x}, {-1, view(out, 0, {rows, width}), -1});
    return true;
  }
  const int32_t normed = scratch(node, "normed", DataType::f32, dims);
  const int32_t scaled = scratch(node, "scaled", DataType::f32, dims);
  Dims per_channel(dims.size() - 1, 1);
  per_channel[0] = dims[1];
  emit(node.name, std::move(options), {x}, {-1, view(normed, 0, {rows, width}), -1});
  binary(node, fb::BinaryKind::mul, normed, reshaped(node.inputs[1], per_channel), scaled);
  binary(node, fb::BinaryKind::add, scaled, reshaped(node.inputs[2], per_channel), out);
  return true;
}

}  // namespace heed
