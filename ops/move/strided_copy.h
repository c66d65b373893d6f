#pragma once
// Copies between two strided views of the same dimensions: transposes, slices, broadcasts,
// concatenations and paddings are all one of these.
//
//   dst[sum_d i_d * dst_step[d]] = src[sum_d i_d * src_step[d]]   for all 0 <= i_d < size[d]
//
// Steps count elements; a source step may be 0 (broadcast) or negative (reversed).

#include <stddef.h>
#include <stdint.h>

namespace heed {

inline constexpr int32_t kMoveRankMax = 8;

struct StridedCopy {
  int32_t rank = 0;          // 0: a single element
  size_t element_bytes = 0;  // 1, 4 or 8; both pointers aligned for it
  int64_t size[kMoveRankMax] = {};
  int64_t src_step[kMoveRankMax] = {};
  int64_t dst_step[kMoveRankMax] = {};

  int64_t elements() const {
    int64_t n = 1;
    for (int32_t i = 0; i < rank; ++i) n *= size[i];
    return n;
  }
};

/// The same copy with as few dimensions as possible: those of size 1 dropped, neighbours that walk
/// together joined; then, where the source is contiguous along an outer dimension only, that one
/// moved next to the innermost, so that both are walked in square tiles.
StridedCopy simplified(const StridedCopy& copy);

/// How many independent parts run_strided_copy() may be cut into: any subrange of 0 .. parts-1.
int64_t strided_copy_parts(const StridedCopy& copy);

/// Copies the parts first .. last-1. `copy` is simplified. Memory of different parts is disjoint as
/// long as the destination's elements are.
void run_strided_copy(const StridedCopy& copy, const void* src, void* dst, int64_t first,
                      int64_t last);

/// Row-major steps of a shape.
void contiguous_steps(int32_t rank, const int64_t* size, int64_t* step);

}  // namespace heed
