#pragma once
// What a chain of Reshape, Transpose, Slice and Expand does to a tensor, as strides into the tensor
// it began with: two chains that are spelled differently and move the same elements to the same
// places have the same view. This is how heads are recognised however they were split.

#include <cstdint>
#include <optional>
#include <vector>

#include "converter/passes/rewrite.h"

namespace heed::passes {

/// `size` steps of `stride` elements.
struct Run {
  int64_t size, stride;
  bool operator==(const Run&) const = default;
};
using Runs =
    std::vector<Run>;  // outermost first; no run of one, neighbours that lie end to end joined

/// A tensor as it lies in another one: the elements of a dimension lie along its runs (one, as a
/// rule; several where dimensions that do not touch were merged; none for a dimension of one).
struct StridedView {
  int64_t offset = 0;
  std::vector<Runs> dims;

  static StridedView whole(const Shape& shape);
  Shape shape() const;
  /// All runs, outermost first: equal for views that have the same elements in the same order.
  Runs order() const;
  /// Offsets of all positions of dimensions 0 .. count-1 (the others at 0), in row-major order.
  std::vector<int64_t> offsets(size_t count) const;

  void permute(const std::vector<int64_t>& perm);
  /// The next three give false, and leave a view of no use, where the elements do not lie evenly
  /// enough for it.
  bool reshape(const Shape& shape);
  bool slice(size_t axis, int64_t start, int64_t step, int64_t size);
  bool expand(const Shape& shape);
};

/// Appends a run to a list, joined with the last one where it continues it.
void add_run(Runs& runs, Run run);

/// Whether a node only moves elements: the four ops above, all operands but the data constant.
bool is_movement(const Graph& graph, const Node& node);
/// Follows one such node. False where the result is no view.
bool apply_movement(const Graph& graph, const Node& node, StridedView& view);

/// One dimension of a Slice with constant bounds, resolved against the shape.
struct SliceRange {
  size_t axis;
  int64_t start, step;
};
/// Nothing where a bound is not constant.
std::optional<std::vector<SliceRange>> slice_ranges(const Graph& graph, const Node& node);

}  // namespace heed::passes
