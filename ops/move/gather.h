#pragma once
// Lookups by run-time indices. An index outside of what it indexes never leads outside: zeros are
// written in its place, and whoever called knows from first_outside() that there is one.

#include "ops/move/index.h"

namespace heed {

/// dst[o, i, :] = src[o, ids[i], :], rows of row_bytes bytes; src is [outer, ids.size, row_bytes].
/// Rows first .. last-1 of the outer * count rows of dst.
struct GatherArgs {
  const void* src;
  void* dst;
  Indices ids;
  int64_t count;  // of ids, >= 1
  int64_t row_bytes;
};
void run_gather(const GatherArgs& args, int64_t first, int64_t last);

/// dst[o, i, j] = src[o, ids[o, i, j], j]; dst and ids are [outer, count, inner] cut out of what
/// src, [src_outer.., ids.size, src_inner..], has as many of or more. Dimensions beside the axis
/// are given one by one, since each may be shorter than the source's.
struct GatherElementsArgs {
  const void* src;
  void* dst;
  Indices ids;
  int32_t rank;
  int32_t axis;
  int64_t size[8];       // of dst and ids
  int64_t src_step[8];   // elements
  size_t element_bytes;  // 1, 4 or 8
};
/// Elements first .. last-1 of dst.
void run_gather_elements(const GatherElementsArgs& args, int64_t first, int64_t last);

}  // namespace heed
