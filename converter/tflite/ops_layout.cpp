// Ops that move elements: shapes, transposes, slices, joins, pads.

#include <algorithm>
#include <numeric>
#include <utility>

#include "converter/graph/op_call.h"
#include "converter/tflite/op_writer.h"

namespace heed::tflite {
namespace {

using Op = tfl::BuiltinOperator;

Ids reshape(OpWriter& w) {
  Ints to;
  if (w.has(1)) {
    to = w.ints_in(1, "sizes");
  } else {
    const auto& given = w.options<tfl::ReshapeOptions>().new_shape;
    to.assign(given.begin(), given.end());
  }
  const int64_t count = graph::element_count(w.shape_in(0));
  int64_t known = 1;
  for (const int64_t size : to) {
    w.need(size >= -1 && size <= graph::kElementsMax, "its sizes are out of range");
    if (size > 0 && known <= graph::kElementsMax) known *= size;
  }
  for (int64_t& size : to) {
    if (size == -1) size = known > 0 && known <= graph::kElementsMax ? count / known : 0;
  }
  w.need(graph::element_count(to) == count, "its sizes do not fit its operand");
  return {w.reshape(w.in(0), std::move(to))};
}

Ids transpose(OpWriter& w) {
  Ints perm = w.ints_in(1, "order");
  const int64_t rank = w.rank_in(0);
  for (int64_t& at : perm) at = w.axis(at, rank);
  Ints sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  Ints all(static_cast<size_t>(rank));
  std::iota(all.begin(), all.end(), int64_t{0});
  w.need(sorted == all, "its order is no permutation");
  return {w.transpose(w.in(0), std::move(perm))};
}

/// The shape without (or with) ones at given places.
Ids squeeze(OpWriter& w) {
  const auto& given = w.options<tfl::SqueezeOptions>().squeeze_dims;
  const Shape shape = w.shape_in(0);
  std::vector<bool> gone(shape.size());
  for (const int32_t at : given) {
    const auto index = static_cast<size_t>(w.axis(at, static_cast<int64_t>(shape.size())));
    w.need(shape[index] == 1, "it removes a dimension that is not 1");
    gone[index] = true;
  }
  Shape to;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!gone[i] && !(given.empty() && shape[i] == 1)) to.push_back(shape[i]);
  }
  return {w.reshape(w.in(0), std::move(to))};
}

ValueId with_one(OpWriter& w, ValueId x, int64_t axis) {
  Shape to = w.shape(x);
  to.insert(to.begin() + w.axis(axis, static_cast<int64_t>(to.size()) + 1), 1);
  return w.reshape(x, std::move(to));
}

Ids expand_dims(OpWriter& w) { return {with_one(w, w.in(0), w.int_in(1, "axis"))}; }

ValueId joined(OpWriter& w, Ids parts, int64_t axis) {
  w.need(!parts.empty(), "it has no operands");
  const int64_t at = w.axis(axis, static_cast<int64_t>(w.shape(parts[0]).size()));
  return w.node("Concat", std::move(parts), {{"axis", at}});
}

Ids concatenation(OpWriter& w) {
  const auto options = w.options<tfl::ConcatenationOptions>();
  Ids parts;
  for (size_t i = 0; i < w.operands(); ++i) parts.push_back(w.in(i));
  return {
      w.activated(joined(w, std::move(parts), options.axis), options.fused_activation_function)};
}

Ids pack(OpWriter& w) {
  const auto options = w.options<tfl::PackOptions>();
  Ids parts;
  for (size_t i = 0; i < w.operands(); ++i) parts.push_back(with_one(w, w.in(i), options.axis));
  return {joined(w, std::move(parts), options.axis)};
}

Ids parts_of(OpWriter& w, ValueId x, const Ints& sizes, int64_t axis) {
  const auto length = w.shape(x)[static_cast<size_t>(axis)];
  int64_t total = 0;
  for (const int64_t size : sizes) {
    w.need(size >= 0 && size <= length, "its parts are out of range");
    total += size;
  }
  w.need(total == length && sizes.size() == w.results(), "its parts do not fit its operand");
  return w.nodes("Split", {x, w.integers(sizes)}, {{"axis", axis}}, sizes.size());
}

Ids split(OpWriter& w) {
  const int64_t axis = w.axis(w.int_in(0, "axis"), w.rank_in(1));
  const auto parts = static_cast<int64_t>(w.results());
  const int64_t length = w.shape_in(1)[static_cast<size_t>(axis)];
  w.need(parts > 0 && length % parts == 0, "its parts do not fit its operand");
  return parts_of(w, w.in(1), Ints(static_cast<size_t>(parts), length / parts), axis);
}

Ids split_v(OpWriter& w) {
  const int64_t axis = w.axis(w.int_in(2, "axis"), w.rank_in(0));
  Ints sizes = w.ints_in(1, "sizes");
  int64_t rest = w.shape_in(0)[static_cast<size_t>(axis)];
  for (const int64_t size : sizes) rest -= size > 0 && size <= rest ? size : 0;
  for (int64_t& size : sizes) size = size == -1 ? rest : size;
  return parts_of(w, w.in(0), sizes, axis);
}

Ids unpack(OpWriter& w) {
  const int64_t axis = w.axis(w.options<tfl::UnpackOptions>().axis, w.rank_in(0));
  const int64_t length = w.shape_in(0)[static_cast<size_t>(axis)];
  w.need(length == static_cast<int64_t>(w.results()), "its parts do not fit its operand");
  Ids parts = parts_of(w, w.in(0), Ints(static_cast<size_t>(length), 1), axis);
  Shape to = w.shape_in(0);
  to.erase(to.begin() + axis);
  for (ValueId& part : parts) part = w.reshape(part, to);
  return parts;
}

// -- slices

Ids slice(OpWriter& w) {
  const Shape shape = w.shape_in(0);
  Ints begin = w.ints_in(1, "begins"), size = w.ints_in(2, "sizes");
  w.need(begin.size() == shape.size() && size.size() == shape.size(),
         "its begins and sizes do not fit its operand");
  Ints axes(shape.size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  for (size_t i = 0; i < shape.size(); ++i) {
    w.need(begin[i] >= 0 && begin[i] <= shape[i] && size[i] >= -1 && size[i] <= shape[i] - begin[i],
           "it reaches outside its operand");
    size[i] = size[i] == -1 ? shape[i] : begin[i] + size[i];
  }
  return {w.node("Slice", {w.in(0), w.integers(begin), w.integers(size), w.integers(axes)})};
}

/// NumPy's x[begin:end:stride, ..., None, 3], spelled in lists and bit masks over their places.
struct StridedSpec {
  Ints begin, end, stride;  // for each dimension of the operand
  Ints result;              // for each of the result's: which of those it is; -1: a new one
};

StridedSpec strided_spec(OpWriter& w, const Shape& shape) {
  const auto o = w.options<tfl::StridedSliceOptions>();
  const Ints begin = w.ints_in(1, "begins"), end = w.ints_in(2, "ends"),
             stride = w.ints_in(3, "strides");
  w.need(begin.size() == end.size() && end.size() == stride.size() && begin.size() < 32,
         "its begins, ends and strides do not fit each other");
  const auto bit = [](int mask, size_t i) { return ((static_cast<uint32_t>(mask) >> i) & 1) != 0; };
  size_t sliced = 0;
  for (size_t i = 0; i < begin.size(); ++i) {
    if (!bit(o.ellipsis_mask, i) && !bit(o.new_axis_mask, i)) ++sliced;
  }
  w.need(sliced <= shape.size(), "it slices more dimensions than its operand has");
  StridedSpec spec;
  const auto take_all = [&](size_t count) {
    for (size_t n = 0; n < count; ++n) {
      spec.result.push_back(static_cast<int64_t>(spec.begin.size()));
      spec.end.push_back(shape[spec.begin.size()]);
      spec.begin.push_back(0);
      spec.stride.push_back(1);
    }
  };
  size_t spare = shape.size() - sliced;  // dimensions that an ellipsis, or the end, stands for
  for (size_t i = 0; i < begin.size(); ++i) {
    if (bit(o.ellipsis_mask, i)) {
      take_all(spare);
      spare = 0;
    } else if (bit(o.new_axis_mask, i)) {
      spec.result.push_back(-1);
    } else {
      const int64_t size = shape[spec.begin.size()];
      w.need(stride[i] != 0, "a stride is 0");
      const bool backwards = stride[i] < 0, shrinks = bit(o.shrink_axis_mask, i);
      const int64_t first = begin[i] < 0 ? begin[i] + size : begin[i];
      const int64_t to = o.offset ? begin[i] + end[i] : end[i];
      if (shrinks) {
        w.need(first >= 0 && first < size, "an index is out of range");
        spec.begin.push_back(first);
        spec.end.push_back(first + 1);
        spec.stride.push_back(1);
        continue;
      }
      spec.result.push_back(static_cast<int64_t>(spec.begin.size()));
      spec.begin.push_back(!bit(o.begin_mask, i) ? begin[i] : backwards ? size - 1 : 0);
      spec.end.push_back(!bit(o.end_mask, i) ? to : backwards ? -size - 1 : size);
      spec.stride.push_back(stride[i]);
    }
  }
  take_all(spare);
  return spec;
}

Ids strided_slice(OpWriter& w) {
  const Shape shape = w.shape_in(0);
  const StridedSpec spec = strided_spec(w, shape);
  Ints axes(shape.size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  ValueId y = w.in(0);
  if (!axes.empty()) {
    y = w.node("Slice", {y, w.integers(spec.begin), w.integers(spec.end), w.integers(axes),
                         w.integers(spec.stride)});
  }
  const Shape cut = w.shape(y);
  Shape to;
  for (const int64_t from : spec.result) {
    to.push_back(from < 0 ? 1 : cut[static_cast<size_t>(from)]);
  }
  return {w.reshape(y, std::move(to))};
}

Ids reverse(OpWriter& w) {
  ValueId y = w.in(0);
  const int64_t rank = w.rank_in(0);
  for (const int64_t given : w.ints_in(1, "axes")) {
    const int64_t axis = w.axis(given, rank);
    y = w.node("Slice", {y, w.integers({-1}), w.integers({INT32_MIN}), w.integers({axis}),
                         w.integers({-1})});
  }
  return {y};
}

// -- pads and repeats

/// [dimensions, 2] as ONNX's list: all befores, then all afters.
Ints pads_in(OpWriter& w) {
  const Ints pairs = w.ints_in(1, "paddings");
  const auto rank = static_cast<size_t>(w.rank_in(0));
  w.need(pairs.size() == 2 * rank, "its paddings do not fit its operand");
  Ints pads(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    pads[i] = pairs[2 * i];
    pads[i + rank] = pairs[2 * i + 1];
  }
  for (const int64_t pad : pads) {
    w.need(pad >= 0 && pad <= INT32_MAX, "its paddings are out of range");
  }
  return pads;
}

Ids pad(OpWriter& w) {
  Ids inputs = {w.in(0), w.integers(pads_in(w))};
  if (w.has(2)) inputs.push_back(w.reshape(w.in(2), {}));
  return {w.node("Pad", std::move(inputs))};
}

constexpr int64_t kMirroredMax = 1 << 20;

/// Each padded dimension is read through a list of indices.
Ids mirror_pad(OpWriter& w) {
  const bool symmetric = w.options<tfl::MirrorPadOptions>().mode == tfl::MirrorPadMode::symmetric;
  const Ints pads = pads_in(w);
  const Shape shape = w.shape_in(0);
  ValueId y = w.in(0);
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t before = pads[i], after = pads[i + shape.size()], size = shape[i];
    if (before == 0 && after == 0) continue;
    const int64_t most = symmetric ? size : size - 1, skip = symmetric ? 0 : 1;
    w.need(before <= most && after <= most, "it mirrors more than its operand has");
    w.need(size <= kMirroredMax, "it mirrors a dimension of too many elements");
    Ints from;
    for (int64_t n = before; n > 0; --n) from.push_back(n - 1 + skip);
    for (int64_t n = 0; n < size; ++n) from.push_back(n);
    for (int64_t n = 0; n < after; ++n) from.push_back(size - 1 - skip - n);
    y = w.node("Gather", {y, w.integers(std::move(from))}, {{"axis", static_cast<int64_t>(i)}});
  }
  return {y};
}

Ids tile(OpWriter& w) { return {w.node("Tile", {w.in(0), w.in(1)})}; }

Ids broadcast_to(OpWriter& w) { return {w.node("Expand", {w.in(0), w.in(1)})}; }

Ids space_to_depth(OpWriter& w) {
  const int64_t b = w.options<tfl::SpaceToDepthOptions>().block_size;
  const Shape s = w.shape_in(0);
  w.need(s.size() == 4 && b > 0 && s[1] % b == 0 && s[2] % b == 0,
         "its blocks do not fit its operand");
  ValueId y = w.reshape(w.in(0), {s[0], s[1] / b, b, s[2] / b, b, s[3]});
  y = w.transpose(y, {0, 1, 3, 2, 4, 5});
  return {w.reshape(y, {s[0], s[1] / b, s[2] / b, b * b * s[3]})};
}

Ids depth_to_space(OpWriter& w) {
  const int64_t b = w.options<tfl::DepthToSpaceOptions>().block_size;
  const Shape s = w.shape_in(0);
  w.need(s.size() == 4 && b > 0 && b < 4096 && s[3] % (b * b) == 0,
         "its blocks do not fit its operand");
  ValueId y = w.reshape(w.in(0), {s[0], s[1], s[2], b, b, s[3] / (b * b)});
  y = w.transpose(y, {0, 1, 3, 2, 4, 5});
  return {w.reshape(y, {s[0], s[1] * b, s[2] * b, s[3] / (b * b)})};
}

}  // namespace

bool moves_complex(int32_t op_code) {
  for (const Op op :
       {Op::EXPAND_DIMS, Op::RESHAPE, Op::SLICE, Op::SQUEEZE, Op::STRIDED_SLICE, Op::TRANSPOSE}) {
    if (static_cast<int32_t>(op) == op_code) return true;
  }
  return false;
}

std::vector<OpRecipe> layout_recipes() {
  return {{Op::BROADCAST_TO, broadcast_to},
          {Op::CONCATENATION, concatenation},
          {Op::DEPTH_TO_SPACE, depth_to_space},
          {Op::EXPAND_DIMS, expand_dims},
          {Op::MIRROR_PAD, mirror_pad},
          {Op::PACK, pack},
          {Op::PAD, pad},
          {Op::PADV2, pad},
          {Op::RESHAPE, reshape},
          {Op::REVERSE_V2, reverse},
          {Op::SLICE, slice},
          {Op::SPACE_TO_DEPTH, space_to_depth},
          {Op::SPLIT, split},
          {Op::SPLIT_V, split_v},
          {Op::SQUEEZE, squeeze},
          {Op::STRIDED_SLICE, strided_slice},
          {Op::TILE, tile},
          {Op::TRANSPOSE, transpose},
          {Op::UNPACK, unpack}};
}

}  // namespace heed::tflite
