// Ops that pick elements: slices, gathers, padding, tiles, triangles.

#include <algorithm>

#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

/// Calls f(x, y) with the elements of operand 0 and result 0, whichever type they have.
template <class F>
void on_elements(OpCall& call, F f) {
  if (call.in(0).dtype == DType::f32) {
    f(call.f32(0), call.y());
  } else {
    f(call.i64(0), call.yi());
  }
}

struct SliceRange {
  int64_t start = 0, step = 1, count = 0;
};

/// What a Slice reads of each dimension. Before opset 10 all is given by attributes.
std::vector<SliceRange> slice_ranges(const OpCall& call) {
  const Shape& shape = call.shape(0);
  std::vector<SliceRange> ranges;
  for (int64_t dim : shape) ranges.push_back({0, 1, dim});
  const std::vector<int64_t> starts = call.ints_from("starts", 1);
  const std::vector<int64_t> ends = call.ints_from("ends", 2);
  std::vector<int64_t> axes = call.ints_from("axes", 3);
  const std::vector<int64_t> steps = call.ints_from("steps", 4);
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  call.need(ends.size() == starts.size() && axes.size() == starts.size() &&
                (steps.empty() || steps.size() == starts.size()),
            "starts, ends, axes and steps differ in length");
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = call.axis(axes[i], call.rank(0));
    const int64_t length = shape[axis], step = steps.empty() ? 1 : steps[i];
    call.need(step != 0 && step != INT64_MIN, "a step is 0 or out of range");
    auto from_end = [&](int64_t at) { return at < 0 ? at + length : at; };
    SliceRange& range = ranges[axis];
    range.step = step;
    if (step > 0) {
      range.start = std::clamp<int64_t>(from_end(starts[i]), 0, length);
      const int64_t end = std::clamp<int64_t>(from_end(ends[i]), 0, length);
      range.count = end > range.start ? (end - range.start - 1) / step + 1 : 0;
    } else {
      range.start = std::clamp<int64_t>(from_end(starts[i]), -1, length - 1);
      const int64_t end = std::clamp<int64_t>(from_end(ends[i]), -1, length - 1);
      range.count = range.start > end ? (range.start - end - 1) / -step + 1 : 0;
    }
    if (range.count <= 1) range.step = 1;  // a step may be INT64_MAX; it is not taken
  }
  return ranges;
}

void infer_slice(OpCall& call) {
  Shape out;
  for (const SliceRange& range : slice_ranges(call)) out.push_back(range.count);
  call.result(0, call.in(0).dtype, out);
}

void evaluate_slice(OpCall& call) {
  const std::vector<SliceRange> ranges = slice_ranges(call);
  if (element_count(call.results[0].shape) == 0) return;
  std::vector<int64_t> strides = row_strides(call.shape(0));
  int64_t offset = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    offset += ranges[i].start * strides[i];
    strides[i] *= ranges[i].step;
  }
  on_elements(call, [&](const auto& x, auto& y) {
    copy_strided(x.data() + offset, call.results[0].shape, strides, y.data());
  });
}

int64_t checked_index(const OpCall& call, int64_t index, int64_t length) {
  if (index < 0) index += length;
  if (index < 0 || index >= length) call.fail("an index is out of range");
  return index;
}

void infer_gather(OpCall& call) {
  call.need_dtype(1, DType::i64);
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  const Shape& data = call.shape(0);
  const ptrdiff_t at = static_cast<ptrdiff_t>(axis);
  Shape out(data.begin(), data.begin() + at);
  out.insert(out.end(), call.shape(1).begin(), call.shape(1).end());
  out.insert(out.end(), data.begin() + at + 1, data.end());
  call.result(0, call.in(0).dtype, out);
}

void evaluate_gather(OpCall& call) {
  const AxisView view(call.shape(0), call.axis(call.node.int_or("axis", 0), call.rank(0)));
  const std::vector<int64_t>& ids = call.i64(1);
  on_elements(call, [&](const auto& x, auto& y) {
    auto to = y.data();
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t id : ids) {
        const int64_t at = o * view.length + checked_index(call, id, view.length);
        to = std::copy_n(x.data() + at * view.inner, view.inner, to);
      }
    }
  });
}

void infer_gather_elements(OpCall& call) {
  call.need_dtype(1, DType::i64);
  call.need_rank(1, call.rank(0));
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  for (size_t i = 0; i < call.shape(0).size(); ++i) {
    call.need(i == axis || call.dim(1, i) <= call.dim(0, i), "the indices pass the data");
  }
  call.result(0, call.in(0).dtype, call.shape(1));
}

void evaluate_gather_elements(OpCall& call) {
  const size_t axis = call.axis(call.node.int_or("axis", 0), call.rank(0));
  const std::vector<int64_t> strides = row_strides(call.shape(0));
  std::vector<int64_t> others = strides;
  others[axis] = 0;
  on_elements(call, [&](const auto& x, auto& y) {
    walk<1>(call.shape(1), {others},
            [&](int64_t first, int64_t count, const auto& at, const auto& steps) {
              for (int64_t i = 0; i < count; ++i) {
                const int64_t id = checked_index(call, call.i64(1)[static_cast<size_t>(first + i)],
                                                 call.dim(0, axis));
                y[static_cast<size_t>(first + i)] =
                    x[static_cast<size_t>(at[0] + i * steps[0] + id * strides[axis])];
              }
            });
  });
}

struct IndexTuples {
  int64_t batches, per_batch, length, inner;  // inner: elements that one tuple names
  size_t batch_dims;
};

/// GatherND and ScatterND: the last dimension of operand 1 holds index tuples into operand 0.
IndexTuples index_tuples(const OpCall& call) {
  call.need_dtype(1, DType::i64);
  const Shape &data = call.shape(0), &ids = call.shape(1);
  IndexTuples tuples{1, 1, ids.empty() ? 0 : ids.back(), 1, 0};
  const int64_t batch = call.node.int_or("batch_dims", 0);
  call.need(!ids.empty() && batch >= 0 && batch < static_cast<int64_t>(ids.size()),
            "batch_dims is out of range");
  tuples.batch_dims = static_cast<size_t>(batch);
  call.need(tuples.length >= 1 && batch + tuples.length <= call.rank(0),
            "the index tuples are longer than the data's dimensions");
  for (size_t i = 0; i < tuples.batch_dims; ++i) {
    call.need(data[i] == ids[i], "the batch dimensions differ");
    tuples.batches *= data[i];
  }
  for (size_t i = tuples.batch_dims; i + 1 < ids.size(); ++i) tuples.per_batch *= ids[i];
  for (size_t i = tuples.batch_dims + static_cast<size_t>(tuples.length); i < data.size(); ++i) {
    tuples.inner *= data[i];
  }
  return tuples;
}

/// Where tuple `n` of batch `b` points, in elements of operand 0.
int64_t tuple_offset(const OpCall& call, const IndexTuples& tuples, int64_t b, int64_t n) {
  const Shape& data = call.shape(0);
  const int64_t* tuple = call.i64(1).data() + (b * tuples.per_batch + n) * tuples.length;
  int64_t at = b;
  for (int64_t i = 0; i < tuples.length; ++i) {
    const int64_t dim = data[tuples.batch_dims + static_cast<size_t>(i)];
    at = at * dim + checked_index(call, tuple[i], dim);
  }
  return at * tuples.inner;
}

void infer_gather_nd(OpCall& call) {
  const IndexTuples tuples = index_tuples(call);
  Shape out(call.shape(1).begin(), call.shape(1).end() - 1);
  const Shape& data = call.shape(0);
  out.insert(out.end(), data.begin() + static_cast<ptrdiff_t>(tuples.batch_dims) + tuples.length,
             data.end());
  call.result(0, call.in(0).dtype, out);
}

void evaluate_gather_nd(OpCall& call) {
  const IndexTuples tuples = index_tuples(call);
  on_elements(call, [&](const auto& x, auto& y) {
    auto to = y.data();
    for (int64_t b = 0; b < tuples.batches; ++b) {
      for (int64_t n = 0; n < tuples.per_batch; ++n) {
        to = std::copy_n(x.data() + tuple_offset(call, tuples, b, n), tuples.inner, to);
      }
    }
  });
}

void infer_scatter_nd(OpCall& call) {
  call.need(call.node.string_or("reduction", "none") == "none", "reduction is not supported");
  const IndexTuples tuples = index_tuples(call);
  call.need(call.elements(2) == tuples.per_batch * tuples.inner,
            "the updates do not fit the indices");
  call.need(call.in(2).dtype == call.in(0).dtype, "data and updates have different types");
  call.same_as(0);
}

void evaluate_scatter_nd(OpCall& call) {
  const IndexTuples tuples = index_tuples(call);
  on_elements(call, [&](const auto& x, auto& y) {
    y = x;
    const auto* from = [&] {
      if constexpr (std::is_same_v<std::decay_t<decltype(y[0])>, float>) {
        return call.f32(2).data();
      } else {
        return call.i64(2).data();
      }
    }();
    for (int64_t n = 0; n < tuples.per_batch; ++n) {
      std::copy_n(from + n * tuples.inner, tuples.inner,
                  y.data() + tuple_offset(call, tuples, 0, n));
    }
  });
}

struct Padding {
  std::vector<int64_t> before, after;
};

Padding padding(const OpCall& call) {  // before opset 11 pads and value are attributes
  const std::vector<int64_t> pads = call.ints_from("pads", 1);
  const size_t rank = call.shape(0).size();
  Padding padding{std::vector<int64_t>(rank, 0), std::vector<int64_t>(rank, 0)};
  std::vector<int64_t> axes = call.has(3) ? call.constant_ints(3) : std::vector<int64_t>{};
  if (!call.has(3)) {
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  }
  call.need(pads.size() == 2 * axes.size(), "pads must have two entries per dimension");
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = call.axis(axes[i], call.rank(0));
    padding.before[axis] = pads[i];
    padding.after[axis] = pads[axes.size() + i];
  }
  return padding;
}

void infer_pad(OpCall& call) {
  const Padding pads = padding(call);
  const std::string mode = call.node.string_or("mode", "constant");
  Shape out = call.shape(0);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t before = pads.before[i], after = pads.after[i];
    call.need(before > -kElementsMax && before < kElementsMax && after > -kElementsMax &&
                  after < kElementsMax,
              "pads are out of range");
    if (mode == "reflect") {
      call.need(before < out[i] && after < out[i], "reflects more than the dimension holds");
    } else if (mode == "edge") {
      call.need(out[i] > 0, "cannot repeat the edge of an empty dimension");
    } else if (mode != "constant") {
      call.fail("mode '" + mode + "' is not supported");
    }
    out[i] += before + after;
  }
  call.result(0, call.in(0).dtype, out);
}

/// Where index i of a padded dimension reads from, or -1 for the constant.
int64_t pad_source(int64_t i, int64_t length, const std::string& mode) {
  if (i >= 0 && i < length) return i;
  if (mode == "edge") return i < 0 ? 0 : length - 1;
  if (mode == "reflect") return i < 0 ? -i : 2 * (length - 1) - i;
  return -1;
}

void evaluate_pad(OpCall& call) {
  const Padding pads = padding(call);
  const std::string mode = call.node.string_or("mode", "constant");
  const Shape &from = call.shape(0), &out = call.results[0].shape;
  if (element_count(out) == 0) return;
  const std::vector<int64_t> strides = row_strides(from);
  const float value = call.constant_scalar(2, call.node.float_or("value", 0.0f));
  on_elements(call, [&](const auto& x, auto& y) {
    using Element = std::decay_t<decltype(y[0])>;
    std::vector<int64_t> index(out.size(), 0);
    for (Element& to : y) {
      int64_t at = 0;
      for (size_t axis = 0; axis < out.size() && at >= 0; ++axis) {
        const int64_t source = pad_source(index[axis] - pads.before[axis], from[axis], mode);
        at = source < 0 ? -1 : at + source * strides[axis];
      }
      to = at < 0 ? static_cast<Element>(value) : x[static_cast<size_t>(at)];
      for (size_t axis = out.size(); axis-- > 0;) {
        if (++index[axis] < out[axis]) break;
        index[axis] = 0;
      }
    }
  });
}

void infer_tile(OpCall& call) {
  const std::vector<int64_t>& repeats = call.constant_ints(1);
  Shape out = call.shape(0);
  call.need(repeats.size() == out.size(), "repeats must have one entry per dimension");
  for (size_t i = 0; i < out.size(); ++i) {
    call.need(repeats[i] >= 0 && repeats[i] < kElementsMax, "repeats are out of range");
    out[i] *= repeats[i];
  }
  call.result(0, call.in(0).dtype, out);
}

void evaluate_tile(OpCall& call) {  // y [r0, d0, r1, d1, ..] read from x, the r not moving
  const std::vector<int64_t> own = row_strides(call.shape(0));
  Shape dims;
  std::vector<int64_t> strides;
  for (size_t i = 0; i < own.size(); ++i) {
    dims.insert(dims.end(), {call.i64(1)[i], call.shape(0)[i]});
    strides.insert(strides.end(), {0, own[i]});
  }
  on_elements(call,
              [&](const auto& x, auto& y) { copy_strided(x.data(), dims, strides, y.data()); });
}

void infer_trilu(OpCall& call) {
  call.need(call.rank(0) >= 2, "needs a matrix");
  call.need(!call.has(1) || call.elements(1) == 1, "k must be a scalar");
  call.same_as(0);
}

void evaluate_trilu(OpCall& call) {
  const bool upper = call.node.int_or("upper", 1) != 0;
  const int64_t limit = kElementsMax;
  const int64_t k = call.has(1) ? std::clamp(call.i64(1)[0], -limit, limit) : 0;
  const Shape& shape = call.shape(0);
  const int64_t width = shape.back(), height = shape[shape.size() - 2];
  on_elements(call, [&](const auto& x, auto& y) {
    for (size_t i = 0; i < y.size(); ++i) {
      const int64_t at = static_cast<int64_t>(i);
      const int64_t diagonal = at % width - (at / width) % height - k;
      if (upper ? diagonal >= 0 : diagonal <= 0) y[i] = x[i];
    }
  });
}

constexpr OpRule kSelectRules[] = {
    {"", "Gather", infer_gather, evaluate_gather},
    {"", "GatherElements", infer_gather_elements, evaluate_gather_elements},
    {"", "GatherND", infer_gather_nd, evaluate_gather_nd},
    {"", "Pad", infer_pad, evaluate_pad},
    {"", "ScatterND", infer_scatter_nd, evaluate_scatter_nd},
    {"", "Slice", infer_slice, evaluate_slice},
    {"", "Tile", infer_tile, evaluate_tile},
    {"", "Trilu", infer_trilu, evaluate_trilu},
};

}  // namespace

std::span<const OpRule> select_rules() { return kSelectRules; }

}  // namespace heed::graph
