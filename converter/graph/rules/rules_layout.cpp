// Ops that only move or rename elements: reshape, transpose, concat, split, expand.

#include <algorithm>
#include <numeric>
#include <set>

#include "converter/graph/print_graph.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

void copy_elements(OpCall& call) {
  call.results[0].f32 = call.in(0).value->f32;
  call.results[0].i64 = call.in(0).value->i64;
}

/// Elements of operand 0 read with `strides` in the order of the result, from `offset` on.
void gather_strided(OpCall& call, const std::vector<int64_t>& strides) {
  const Shape& out = call.results[0].shape;
  if (call.in(0).dtype == DType::f32) {
    copy_strided(call.f32(0).data(), out, strides, call.y().data());
  } else {
    copy_strided(call.i64(0).data(), out, strides, call.yi().data());
  }
}

void infer_reshape(OpCall& call) {
  const Shape& from = call.shape(0);
  Shape to = call.has(1) ? call.constant_ints(1) : call.node.ints_or("shape", {});
  const bool zero_is_zero = call.node.int_or("allowzero", 0) != 0;
  int64_t known = 1;
  size_t open = to.size();
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !zero_is_zero) {
      call.need(i < from.size(), "a 0 copies a dimension that the operand does not have");
      to[i] = from[i];
    }
    if (to[i] == -1) {
      call.need(open == to.size(), "more than one dimension is -1");
      open = i;
    } else {
      call.need(to[i] >= 0 && (to[i] == 0 || known <= kElementsMax / to[i]),
                "the target shape is out of range");
      known *= to[i];
    }
  }
  const int64_t elements = element_count(from);
  if (open < to.size()) {
    call.need(known > 0 && elements % known == 0, "-1 in the target shape has no whole solution");
    to[open] = elements / known;
  }
  if (element_count(to) != elements) {
    call.fail("cannot reshape " + shape_text(from) + " to " + shape_text(to));
  }
  call.result(0, call.in(0).dtype, to);
}

void infer_flatten(OpCall& call) {
  const int64_t rank = call.rank(0), given = call.node.int_or("axis", 1);
  const size_t cut = given == rank ? static_cast<size_t>(rank) : call.axis(given, rank);
  const AxisView view(call.shape(0), cut);
  call.result(0, call.in(0).dtype, {view.outer, view.length * view.inner});
}

void infer_squeeze(OpCall& call) {
  const Shape& from = call.shape(0);
  const bool all = !call.has(1) && !call.node.has("axes");
  std::set<size_t> axes;
  for (int64_t axis : call.ints_from("axes", 1)) axes.insert(call.axis(axis, call.rank(0)));
  Shape to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (axes.count(i) != 0) {
      call.need(from[i] == 1, "a squeezed dimension is not 1");
    } else if (!all || from[i] != 1) {
      to.push_back(from[i]);
    }
  }
  call.result(0, call.in(0).dtype, to);
}

void infer_unsqueeze(OpCall& call) {
  const std::vector<int64_t> given = call.ints_from("axes", 1);
  const int64_t rank = call.rank(0) + static_cast<int64_t>(given.size());
  std::set<size_t> axes;
  for (int64_t axis : given) axes.insert(call.axis(axis, rank));
  call.need(axes.size() == given.size(), "an axis is given twice");
  Shape to = call.shape(0);
  for (size_t axis : axes) to.insert(to.begin() + static_cast<ptrdiff_t>(axis), 1);
  call.result(0, call.in(0).dtype, to);
}

std::vector<size_t> permutation(const OpCall& call) {
  const size_t rank = call.shape(0).size();
  std::vector<int64_t> given = call.node.ints_or("perm", {});
  std::vector<size_t> perm(rank);
  if (given.empty()) {
    for (size_t i = 0; i < rank; ++i) perm[i] = rank - 1 - i;
    return perm;
  }
  call.need(given.size() == rank, "perm has not one entry per dimension");
  std::set<size_t> seen;
  for (size_t i = 0; i < rank; ++i) seen.insert(perm[i] = call.axis(given[i], call.rank(0)));
  call.need(seen.size() == rank, "perm names a dimension twice");
  return perm;
}

void infer_transpose(OpCall& call) {
  Shape to;
  for (size_t axis : permutation(call)) to.push_back(call.shape(0)[axis]);
  call.result(0, call.in(0).dtype, to);
}

void evaluate_transpose(OpCall& call) {
  const std::vector<int64_t> own = row_strides(call.shape(0));
  std::vector<int64_t> strides;
  for (size_t axis : permutation(call)) strides.push_back(own[axis]);
  gather_strided(call, strides);
}

void infer_expand(OpCall& call) {
  const Shape target = call.constant_ints(1);
  call.need(element_count(target) >= 0, "the target shape is out of range");
  call.result(0, call.in(0).dtype, broadcast_shapes(call, call.shape(0), target));
}

void evaluate_expand(OpCall& call) {
  gather_strided(call, broadcast_strides(call.shape(0), call.results[0].shape));
}

void infer_concat(OpCall& call) {
  Shape out = call.shape(0);
  call.need(!out.empty(), "scalars cannot be joined");
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  for (size_t i = 1; i < call.operands.size(); ++i) {
    Shape other = call.shape(i);
    call.need(call.in(i).dtype == call.in(0).dtype, "the operands have different types");
    call.need(other.size() == out.size(), "the operands have different ranks");
    out[axis] += other[axis];
    other[axis] = out[axis];
    call.need(other == out, "the operands differ beside the joined dimension");
  }
  call.result(0, call.in(0).dtype, out);
}

template <class T>
void join(const OpCall& call, std::vector<T> Constant::*elements, std::vector<T>& y) {
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  const AxisView whole(call.results[0].shape, axis);
  int64_t done = 0;
  for (size_t i = 0; i < call.operands.size(); ++i) {
    const std::vector<T>& x = call.in(i).value->*elements;
    const int64_t block = call.shape(i)[axis] * whole.inner;
    for (int64_t o = 0; o < whole.outer; ++o) {
      std::copy_n(x.data() + o * block, block, y.data() + o * whole.length * whole.inner + done);
    }
    done += block;
  }
}

void evaluate_concat(OpCall& call) {
  if (call.in(0).dtype == DType::f32) {
    join(call, &Constant::f32, call.y());
  } else {
    join(call, &Constant::i64, call.yi());
  }
}

std::vector<int64_t> split_sizes(const OpCall& call, size_t axis) {
  const std::vector<int64_t> given = call.ints_from("split", 1);
  const int64_t length = call.shape(0)[axis], parts = static_cast<int64_t>(call.results.size());
  if (given.empty()) {  // as equal as may be, the last one smaller
    const int64_t each = (length + parts - 1) / parts;
    std::vector<int64_t> sizes;
    for (int64_t i = 0; i < parts; ++i) {
      sizes.push_back(std::clamp<int64_t>(length - i * each, 0, each));
    }
    return sizes;
  }
  call.need(given.size() == call.results.size(), "there is not one output per part");
  int64_t sum = 0;
  for (int64_t part : given) {
    call.need(part >= 0 && part <= length, "a part is out of range");
    sum += part;
  }
  call.need(sum == length, "the parts do not add up to the dimension");
  return given;
}

void infer_split(OpCall& call) {
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  const std::vector<int64_t> sizes = split_sizes(call, axis);
  for (size_t i = 0; i < sizes.size(); ++i) {
    Shape part = call.shape(0);
    part[axis] = sizes[i];
    call.result(i, call.in(0).dtype, part);
  }
}

template <class T>
void cut(OpCall& call, const std::vector<T>& x, std::vector<T> Constant::*elements) {
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  const AxisView whole(call.shape(0), axis);
  int64_t done = 0;
  for (Constant& part : call.results) {
    const int64_t block = part.shape[axis] * whole.inner;
    for (int64_t o = 0; o < whole.outer; ++o) {
      std::copy_n(x.data() + o * whole.length * whole.inner + done, block,
                  (part.*elements).data() + o * block);
    }
    done += block;
  }
}

void evaluate_split(OpCall& call) {
  if (call.in(0).dtype == DType::f32) {
    cut(call, call.f32(0), &Constant::f32);
  } else {
    cut(call, call.i64(0), &Constant::i64);
  }
}

int64_t block_size(const OpCall& call) {
  call.need_rank(0, 4);
  const int64_t block = call.node.int_or("blocksize", 0);
  call.need(block > 0 && block < (1 << 15), "blocksize is out of range");
  return block;
}

void infer_depth_to_space(OpCall& call) {
  const int64_t b = block_size(call);
  const Shape& x = call.shape(0);
  call.need(x[1] % (b * b) == 0, "the channels do not divide by the square of blocksize");
  call.result(0, call.in(0).dtype, {x[0], x[1] / (b * b), x[2] * b, x[3] * b});
}

void evaluate_depth_to_space(OpCall& call) {
  const int64_t b = block_size(call), h = call.dim(0, 2), w = call.dim(0, 3);
  const int64_t c = call.dim(0, 1) / (b * b), plane = h * w;
  const bool depth_first = call.node.string_or("mode", "DCR") == "DCR";
  const int64_t channel = depth_first ? plane : b * b * plane;
  const int64_t down = depth_first ? b * c * plane : b * plane;
  const int64_t across = depth_first ? c * plane : plane;
  const std::vector<int64_t> strides = {c * b * b * plane, channel, w, down, 1, across};
  copy_strided(call.f32(0).data(), {call.dim(0, 0), c, h, b, w, b}, strides, call.y().data());
}

void infer_space_to_depth(OpCall& call) {
  const int64_t b = block_size(call);
  const Shape& x = call.shape(0);
  call.need(call.node.string_or("mode", "DCR") == "DCR", "only mode DCR is supported");
  call.need(x[2] % b == 0 && x[3] % b == 0, "the picture does not divide by blocksize");
  call.result(0, call.in(0).dtype, {x[0], x[1] * b * b, x[2] / b, x[3] / b});
}

void evaluate_space_to_depth(OpCall& call) {
  const int64_t b = block_size(call), c = call.dim(0, 1), h = call.dim(0, 2), w = call.dim(0, 3);
  const std::vector<int64_t> strides = {c * h * w, w, 1, h * w, b * w, b};
  copy_strided(call.f32(0).data(), {call.dim(0, 0), b, b, c, h / b, w / b}, strides,
               call.y().data());
}

constexpr OpRule kLayoutRules[] = {
    {"", "Concat", infer_concat, evaluate_concat},
    {"", "DepthToSpace", infer_depth_to_space, evaluate_depth_to_space},
    {"", "Expand", infer_expand, evaluate_expand},
    {"", "Flatten", infer_flatten, copy_elements},
    {"", "Reshape", infer_reshape, copy_elements},
    {"", "SpaceToDepth", infer_space_to_depth, evaluate_space_to_depth},
    {"", "Split", infer_split, evaluate_split},
    {"", "Squeeze", infer_squeeze, copy_elements},
    {"", "Transpose", infer_transpose, evaluate_transpose},
    {"", "Unsqueeze", infer_unsqueeze, copy_elements},
};

}  // namespace

std::span<const OpRule> layout_rules() { return kLayoutRules; }

}  // namespace heed::graph
