#pragma once
// Padding: y[i] = x[i - before] per dimension; what lies beyond x is a constant, x mirrored without
// its edge (reflect), or its edge repeated. A negative `before` cuts.

#include <stddef.h>
#include <stdint.h>

namespace heed {

/// Numbered as fb::PadMode in the file.
enum class PadKind : uint8_t { constant, reflect, edge };

struct PadArgs {
  const void* src;  // contiguous
  void* dst;        // contiguous
  PadKind kind;
  int32_t rank;          // >= 1
  size_t element_bytes;  // 1, 4 or 8
  int64_t src_size[8];   // reflect, edge: >= 1
  int64_t dst_size[8];
  int64_t before[8];  // reflect: no more than src_size - 1 beyond either end
  const void* value;  // constant: one element
};

/// Rows (of the last dimension) first .. last-1 of dst.
void run_pad(const PadArgs& args, int64_t first, int64_t last);

}  // namespace heed
