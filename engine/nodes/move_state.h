#pragma once
// Nodes that only move elements: one strided copy from an input to an output, made ready.

#include <cstddef>
#include <cstdint>

#include "engine/node.h"
#include "engine/nodes/tiles.h"
#include "ops/move/cast.h"
#include "ops/move/strided_copy.h"

namespace heed {

struct MoveState {
  StridedCopy copy;
  const void* src;
  void* dst;
};

/// Sizes of a shape and its row-major steps, as strided copies count them.
struct MoveShape {
  int64_t size[kMoveRankMax] = {};
  int64_t step[kMoveRankMax] = {};
  explicit MoveShape(const Shape& shape) {
    for (int32_t d = 0; d < shape.rank; ++d) size[d] = shape.dims[d];
    contiguous_steps(shape.rank, size, step);
  }
};

/// A plain type as ops/move names it.
inline CastType cast_type(DataType type) {
  switch (type) {
    case DataType::f32:
      return CastType::f32;
    case DataType::i32:
      return CastType::i32;
    case DataType::i64:
      return CastType::i64;
    case DataType::i8:
      return CastType::i8;
    case DataType::u8:
      return CastType::u8;
    default:
      return CastType::boolean;
  }
}

inline constexpr int64_t kParallelMoveBytes = 1 << 16;  // of one part worth a thread

/// All threads copy their share.
inline void run_move(const MoveState& state, RunContext& context) {
  const int64_t parts = strided_copy_parts(state.copy);
  if (parts == 0) return;
  const int64_t bytes = state.copy.elements() * static_cast<int64_t>(state.copy.element_bytes);
  const int64_t least =
      std::max<int64_t>(1, kParallelMoveBytes / std::max<int64_t>(1, bytes / parts));
  for_slices(context, parts, least, [&](int64_t first, int64_t last) {
    run_strided_copy(state.copy, state.src, state.dst, first, last);
  });
}

/// What `variant` says of nodes that compute nothing.
inline const char* move_variant(const void*) { return "move"; }

}  // namespace heed
