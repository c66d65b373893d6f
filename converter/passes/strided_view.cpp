#include "converter/passes/strided_view.h"

#include <algorithm>
#include <utility>

namespace heed::passes {

void add_run(Runs& runs, Run run) {
  if (run.size == 1) return;
  if (!runs.empty() && runs.back().stride == run.stride * run.size) {
    runs.back() = {runs.back().size * run.size, run.stride};
  } else {
    runs.push_back(run);
  }
}

StridedView StridedView::whole(const Shape& shape) {
  StridedView view;
  view.dims.resize(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    add_run(view.dims[i], {shape[i], stride});
    stride *= shape[i];
  }
  return view;
}

Shape StridedView::shape() const {
  Shape shape;
  for (const Runs& runs : dims) {
    int64_t size = 1;
    for (const Run& run : runs) size *= run.size;
    shape.push_back(size);
  }
  return shape;
}

Runs StridedView::order() const {
  Runs all;
  for (const Runs& runs : dims) {
    for (const Run& run : runs) add_run(all, run);
  }
  return all;
}

std::vector<int64_t> StridedView::offsets(size_t count) const {
  std::vector<int64_t> result = {offset};
  for (size_t i = 0; i < count; ++i) {
    for (const Run& run : dims[i]) {
      std::vector<int64_t> finer;
      finer.reserve(result.size() * static_cast<size_t>(run.size));
      for (int64_t base : result) {
        for (int64_t j = 0; j < run.size; ++j) finer.push_back(base + j * run.stride);
      }
      result = std::move(finer);
    }
  }
  return result;
}

void StridedView::permute(const std::vector<int64_t>& perm) {
  std::vector<Runs> moved;
  for (int64_t axis : perm) moved.push_back(dims[static_cast<size_t>(axis)]);
  dims = std::move(moved);
}

// Deals the runs out to the new dimensions from the innermost: each takes whole runs and at most
// one divisor of a run, until its size is reached.
bool StridedView::reshape(const Shape& shape) {
  Runs runs = order();
  std::vector<Runs> dealt(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    int64_t missing = shape[i];
    Runs inner_first;
    while (missing > 1) {
      if (runs.empty()) return false;
      Run& run = runs.back();
      if (run.size == 0) return false;
      const int64_t taken = std::min(missing, run.size);
      if (missing % taken != 0 || run.size % taken != 0) return false;
      inner_first.push_back({taken, run.stride});
      missing /= taken;
      run = {run.size / taken, run.stride * taken};
      if (run.size == 1) runs.pop_back();
    }
    for (size_t j = inner_first.size(); j-- > 0;) add_run(dealt[i], inner_first[j]);
  }
  if (!runs.empty()) return false;
  dims = std::move(dealt);
  return true;
}

bool StridedView::slice(size_t axis, int64_t start, int64_t step, int64_t size) {
  Runs& runs = dims[axis];
  if (runs.size() > 1) return false;
  if (runs.empty()) return start == 0 && size == 1;
  const Run whole = runs[0];
  offset += start * whole.stride;
  runs.clear();
  add_run(runs, {size, whole.stride * step});
  return true;
}

bool StridedView::expand(const Shape& shape) {
  if (shape.size() < dims.size()) return false;
  dims.insert(dims.begin(), shape.size() - dims.size(), Runs{});
  const Shape sizes = this->shape();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (sizes[i] == shape[i]) continue;
    if (sizes[i] != 1) return false;
    dims[i] = {{shape[i], 0}};
  }
  return true;
}

std::optional<std::vector<SliceRange>> slice_ranges(const Graph& graph, const Node& node) {
  const Shape& shape = shape_of(graph, input_of(node, 0));
  auto starts = ints_of(graph, input_of(node, 1));
  if (!starts) return std::nullopt;
  std::vector<int64_t> axes(starts->size()), steps(starts->size(), 1);
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
  if (input_of(node, 3) != kNoValue) {
    auto given = ints_of(graph, node.inputs[3]);
    if (!given) return std::nullopt;
    axes = *given;
  }
  if (input_of(node, 4) != kNoValue) {
    auto given = ints_of(graph, node.inputs[4]);
    if (!given) return std::nullopt;
    steps = *given;
  }
  std::vector<SliceRange> ranges;
  for (size_t i = 0; i < starts->size(); ++i) {
    const size_t axis = static_cast<size_t>(axis_of(axes[i], shape.size()));
    const int64_t dim = shape[axis];
    int64_t start = (*starts)[i] < 0 ? (*starts)[i] + dim : (*starts)[i];
    start = std::clamp(start, int64_t{0}, steps[i] < 0 && dim > 0 ? dim - 1 : dim);
    ranges.push_back({axis, start, steps[i]});
  }
  return ranges;
}

bool is_movement(const Graph& graph, const Node& node) {
  if (node.inputs.empty() || graph.constant(node.inputs[0]) != nullptr) return false;
  return node.is("Reshape") || node.is("Transpose") || node.is("Expand") ||
         (node.is("Slice") && slice_ranges(graph, node).has_value());
}

bool apply_movement(const Graph& graph, const Node& node, StridedView& view) {
  const Shape& shape = shape_of(graph, node.outputs[0]);
  if (node.is("Reshape")) return view.reshape(shape);
  if (node.is("Transpose")) {
    view.permute(node.ints_or("perm", {}));
    return true;
  }
  if (node.is("Expand")) return view.expand(shape);
  if (!node.is("Slice")) return false;
  auto ranges = slice_ranges(graph, node);
  if (!ranges) return false;
  for (const SliceRange& range : *ranges) {
    if (!view.slice(range.axis, range.start, range.step, shape[range.axis])) return false;
  }
  return true;
}

}  // namespace heed::passes
