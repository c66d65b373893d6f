// ONNX ops that move values without computing: transposes, slices, concatenations, gathers, ...

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "converter/graph/convert_error.h"
#include "converter/lowering.h"

namespace heed {
namespace {

using graph::Node;
using graph::ValueId;
using graph::kNoValue;

uint32_t axis_of(const Node& node, int64_t otherwise, size_t rank) {
  int64_t axis = node.int_or("axis", otherwise);
  if (axis < 0) axis += static_cast<int64_t>(rank);
  return static_cast<uint32_t>(axis);
}

std::vector<int32_t> int32s(const std::vector<int64_t>& values) {
  return std::vector<int32_t>(values.begin(), values.end());
}

}  // namespace

bool Lowering::lower_move(const Node& node) {
  if (node.is("Slice") || node.is("Split")) return lower_slice(node);
  if (node.is("Concat")) return lower_concat(node);
  if (node.is("Gather")) return lower_gather(node);
  if (node.is("Pad")) return lower_pad(node);
  if (node.is("Tile")) return lower_tile(node);
  if (node.is("DepthToSpace") || node.is("SpaceToDepth")) return lower_block_move(node);
  if (node.is("Transpose")) {
    const size_t rank = shape(node.inputs[0]).size();
    std::vector<int64_t> order = node.ints_or("perm", {});
    if (order.empty()) {
      order.resize(rank);
      std::iota(order.rbegin(), order.rend(), 0);
    }
    const int32_t x = plain(node.inputs[0]);
    transposed(node, x, std::vector<uint32_t>(order.begin(), order.end()),
               make_plain(node.outputs[0]));
    return true;
  }
  if (node.is("GatherElements")) {
    fb::GatherElementsOptionsT options;
    options.axis = axis_of(node, 0, shape(node.inputs[0]).size());
    const int32_t data = plain(node.inputs[0]), ids = plain(node.inputs[1]);
    emit(node.name, std::move(options), {data, ids}, {make_plain(node.outputs[0])});
    return true;
  }
  if (node.is("CumSum")) {
    const auto axis = ints_of(graph_, node, "axis", 1);
    if (!axis || axis->empty()) throw ConvertError("its axis is not constant");
    const auto rank = static_cast<int64_t>(shape(node.inputs[0]).size());
    fb::CumsumOptionsT options;
    options.axis = static_cast<uint32_t>((*axis)[0] < 0 ? (*axis)[0] + rank : (*axis)[0]);
    options.exclusive = node.int_or("exclusive", 0) != 0;
    options.reverse = node.int_or("reverse", 0) != 0;
    const int32_t x = plain(node.inputs[0]);
    emit(node.name, std::move(options), {x}, {make_plain(node.outputs[0])});
    return true;
  }
  if (node.is("Expand")) {
    const int32_t x = plain(node.inputs[0]);
    emit(node.name, fb::ExpandOptionsT{}, {x}, {make_plain(node.outputs[0])});
    return true;
  }
  if (node.is("Cast")) {
    const int32_t x = plain(node.inputs[0]);
    emit(node.name, fb::CastOptionsT{}, {x}, {make_plain(node.outputs[0])});
    return true;
  }
  return false;
}

int32_t Lowering::transposed(const Node& node, int32_t tensor, const std::vector<uint32_t>& order,
                             int32_t into) {
  if (into < 0) {
    const Dims from = file_.tensor(tensor).shape;
    Dims to;
    for (const uint32_t d : order) to.push_back(from[d]);
    into = scratch(node, "transposed", file_.tensor(tensor).dtype, to);
  }
  fb::TransposeOptionsT options;
  options.permutation = order;
  emit(node.name, std::move(options), {tensor}, {into});
  return into;
}

bool Lowering::lower_slice(const Node& node) {
  const int32_t x = plain(node.inputs[0]);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId out = node.outputs[i];
    // Parts that are one piece of memory are views already.
    if (out == kNoValue || aliases_.alias(out).base != kNoValue) continue;
    const auto slice = slice_of(graph_, node, i);
    if (!slice) throw ConvertError("its bounds are not constant");
    fb::SliceOptionsT options;
    options.starts = int32s(slice->starts);
    options.steps = int32s(slice->steps);
    emit(node.name, std::move(options), {x}, {make_plain(out)});
  }
  return true;
}

bool Lowering::lower_concat(const Node& node) {
  const int32_t whole = make_plain(node.outputs[0]);
  const bool any_placed = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId part) {
    ValueId owner = part;
    while (aliases_.alias(owner).base != kNoValue) owner = aliases_.alias(owner).base;
    return places_[static_cast<size_t>(owner)].concat == node.outputs[0];
  });
  if (!any_placed) {
    fb::ConcatOptionsT options;
    options.axis = axis_of(node, 0, shape(node.outputs[0]).size());
    std::vector<int32_t> parts;
    for (const ValueId part : node.inputs)
      if (element_count(to_dims(shape(part))) > 0) parts.push_back(plain(part));
    emit(node.name, std::move(options), std::move(parts), {whole});
    return true;
  }
  int64_t first_element = 0;
  for (const ValueId part : node.inputs) {
    const Dims dims = to_dims(shape(part));
    const int32_t source = plain(part);
    const int64_t offset = first_element;
    first_element += element_count(dims);
    const int32_t target = view(whole, offset, dims);
    const fb::TensorT& from = file_.tensor(source);
    const fb::TensorT& to = file_.tensor(target);
    const bool there = from.storage == fb::Storage::view && from.parent == to.parent &&
                       from.offset == to.offset;
    if (!there) emit(node.name, fb::CopyOptionsT{}, {source}, {target});
  }
  return true;
}

bool Lowering::lower_gather(const Node& node) {
  const graph::Shape& data = shape(node.inputs[0]);
  const uint32_t axis = axis_of(node, 0, data.size());
  const int32_t out = make_plain(node.outputs[0]);
  const int32_t x = plain(node.inputs[0]);
  if (const auto slice = slice_of(graph_, node, 0)) {
    fb::SliceOptionsT options;
    options.starts = int32s(slice->starts);
    options.steps = int32s(slice->steps);
    emit(node.name, std::move(options), {x}, {view(out, 0, to_dims(slice->sizes))});
    return true;
  }
  fb::GatherOptionsT options;
  options.axis = axis;
  options.wrap = true;
  const int32_t ids = plain(node.inputs[1]);
  emit(node.name, std::move(options), {x, ids}, {out});
  return true;
}

bool Lowering::lower_pad(const Node& node) {
  const auto pads = ints_of(graph_, node, "pads", 1);
  if (!pads) throw ConvertError("its padding is not constant");
  const size_t rank = shape(node.inputs[0]).size();
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (node.inputs.size() > 3 && node.inputs[3] != kNoValue) {
    const graph::Constant* given = graph_.constant(node.inputs[3]);
    if (!given) throw ConvertError("its axes are not constant");
    axes = given->i64;
  }
  fb::PadOptionsT options;
  options.before.assign(rank, 0);
  const size_t count = pads->size() / 2;
  for (size_t i = 0; i < count; ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + static_cast<int64_t>(rank) : axes[i];
    const auto d = static_cast<size_t>(axis);
    if ((*pads)[i] < 0 || (*pads)[i + count] < 0)
      throw ConvertError("it pads by a negative amount", "", "Use Slice to cut");
    options.before[d] = static_cast<int32_t>((*pads)[i]);
  }
  const std::string mode = node.string_or("mode", "constant");
  if (mode == "constant") options.mode = fb::PadMode::constant;
  else if (mode == "reflect") options.mode = fb::PadMode::reflect;
  else if (mode == "edge") options.mode = fb::PadMode::edge;
  else throw ConvertError("padding mode '" + mode + "' is unknown to the engine");
  options.value = node.float_or("value", 0.0f);
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    const auto value = graph_.scalar(node.inputs[2]);
    if (!value) throw ConvertError("its padding value is not constant");
    options.value = *value;
  }
  const int32_t x = plain(node.inputs[0]);
  emit(node.name, std::move(options), {x}, {make_plain(node.outputs[0])});
  return true;
}

/// [.., d, ..] seen as [.., 1, d, ..], expanded to [.., repeats, d, ..], and that seen as
/// [.., repeats * d, ..].
bool Lowering::lower_tile(const Node& node) {
  const auto repeats = ints_of(graph_, node, "repeats", 1);
  if (!repeats) throw ConvertError("its repeats are not constant");
  const graph::Shape& in = shape(node.inputs[0]);
  Dims from, to;
  for (size_t d = 0; d < in.size(); ++d) {
    const auto size = static_cast<uint32_t>(in[d]);
    const auto times = static_cast<uint32_t>((*repeats)[d]);
    if (times != 1 && size != 1) {
      from.push_back(1);
      to.push_back(times);
    }
    from.push_back(size);
    to.push_back(size == 1 ? times : size);
  }
  if (to.size() > static_cast<size_t>(kMaxRank))
    throw ConvertError("it repeats too many dimensions");
  const int32_t x = reshaped(node.inputs[0], from);
  const int32_t out = make_plain(node.outputs[0]);
  emit(node.name, fb::ExpandOptionsT{}, {x}, {view(out, 0, to)});
  return true;
}

/// DepthToSpace and SpaceToDepth are a transpose of six dimensions.
bool Lowering::lower_block_move(const Node& node) {
  const Dims in = to_dims(shape(node.inputs[0]));
  const auto b = static_cast<uint32_t>(node.int_or("blocksize", 1));
  Dims from, to;
  std::vector<uint32_t> order;
  if (node.is("SpaceToDepth")) {
    from = {in[0], in[1], in[2] / b, b, in[3] / b, b};
    order = {0, 3, 5, 1, 2, 4};
  } else if (node.string_or("mode", "DCR") == "DCR") {
    from = {in[0], b, b, in[1] / (b * b), in[2], in[3]};
    order = {0, 3, 4, 1, 5, 2};
  } else {
    from = {in[0], in[1] / (b * b), b, b, in[2], in[3]};
    order = {0, 1, 4, 2, 5, 3};
  }
  for (const uint32_t d : order) to.push_back(from[d]);
  const int32_t x = reshaped(node.inputs[0], from);
  const int32_t out = make_plain(node.outputs[0]);
  transposed(node, x, order, view(out, 0, to));
  return true;
}

}  // namespace heed
