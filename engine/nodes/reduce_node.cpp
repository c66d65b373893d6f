// Sums, means, extremes and their relatives over any dimensions.
//
// Dimensions that are reduced and lie together need one call of the kernel. Others are first
// brought behind the kept ones, in scratch.

#include <new>

#include "engine/nodes/move_state.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "ops/reduce/reduce.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;

/// One bit per reduced dimension; verified axes only.
uint32_t reduced_mask(const fb::ReduceOptions& options) {
  uint32_t mask = 0;
  for (const uint32_t axis : *options.axes()) mask |= 1u << axis;
  return mask;
}

/// x as [outer, n, inner], n reduced; or scattered: as [outer, n] once its dimensions are sorted.
struct ReduceShape {
  int64_t outer = 1, n = 1, inner = 1;
  bool scattered = false;

  ReduceShape(const Shape& x, uint32_t mask) {
    bool seen = false, closed = false;
    int64_t kept = 1;
    for (int32_t d = 0; d < x.rank; ++d) {
      const int64_t size = x.dims[d];
      if (mask >> d & 1) {
        scattered |= closed && size != 1;
        n *= size;
        seen |= size != 1;
      } else {
        kept *= size;
        (seen ? inner : outer) *= size;
        closed |= seen && size != 1;
      }
    }
    if (scattered) {
      outer = kept;
      inner = 1;
    }
  }
};

bool is_known_for_integers(ReduceKind kind) {
  return kind != ReduceKind::l2 && kind != ReduceKind::log_sum && kind != ReduceKind::log_sum_exp;
}

/// y has x's dimensions without the reduced ones, or with ones in their place.
bool fits(const Shape& x, const Shape& y, uint32_t mask) {
  Shape with, without;
  with.rank = x.rank;
  for (int32_t d = 0; d < x.rank; ++d) {
    const bool reduced = mask >> d & 1;
    with.dims[d] = reduced ? 1 : x.dims[d];
    if (!reduced) without.dims[without.rank++] = x.dims[d];
  }
  return same_shape(y, with) || same_shape(y, without);
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::ReduceOptions>();
  HEED_TRY(check.operands(1, 1));
  const TensorView &x = info.input(0), &y = info.output(0);
  HEED_TRY(check.require(options.kind() <= fb::ReduceKind::arg_min, "an unknown reduction", 0,
                         static_cast<int64_t>(options.kind())));
  const auto kind = static_cast<ReduceKind>(options.kind());
  HEED_TRY(check.require(
      x.type == DataType::f32 || (x.type == DataType::i64 && is_known_for_integers(kind)),
      "the reduction is not known for this type", 0, static_cast<int64_t>(x.type)));
  HEED_TRY(check.type(y, is_arg(kind) ? DataType::i64 : x.type));
  const uint32_t count = options.axes() ? options.axes()->size() : 0;
  HEED_TRY(check.require(
      count >= 1 && count <= static_cast<uint32_t>(x.shape.rank) && (!is_arg(kind) || count == 1),
      "a reduction has the wrong number of axes", x.shape.rank, count));
  uint32_t seen = 0;
  for (const uint32_t axis : *options.axes()) {
    HEED_TRY(check.require(axis < static_cast<uint32_t>(x.shape.rank) && !(seen >> axis & 1),
                           "an axis lies beyond the dimensions or is named twice", x.shape.rank,
                           axis));
    seen |= 1u << axis;
  }
  HEED_TRY(check.require(fits(x.shape, y.shape, seen), "a reduction has the wrong shape",
                         x.shape.elements(), y.shape.elements()));
  const ReduceShape shape(x.shape, seen);
  return check.require(shape.n >= 1, "a reduction of nothing");
}

struct ReduceState {
  const ReduceKernel* kernel;
  ReduceKind kind;
  DataType type;
  ReduceShape shape;
  const void* x;
  void* y;
  StridedCopy sort;  // scattered: brings the reduced dimensions behind the kept ones
};

ScratchNeed scratch(const OpInfo& info, int32_t) {
  const TensorView& x = info.input(0);
  const ReduceShape shape(x.shape, reduced_mask(info.options<fb::ReduceOptions>()));
  if (!shape.scattered) return {};
  return {static_cast<size_t>(x.shape.elements()) * element_bytes(x.type), 0};
}

StridedCopy sorting_copy(const TensorView& x, uint32_t mask) {
  const MoveShape from(x.shape);
  StridedCopy copy;
  copy.element_bytes = element_bytes(x.type);
  for (const uint32_t reduced : {0u, 1u}) {
    for (int32_t d = 0; d < x.shape.rank; ++d) {
      if ((mask >> d & 1) != reduced) continue;
      copy.size[copy.rank] = from.size[d];
      copy.src_step[copy.rank++] = from.step[d];
    }
  }
  contiguous_steps(copy.rank, copy.size, copy.dst_step);
  return simplified(copy);
}

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const auto& options = info.options<fb::ReduceOptions>();
  const TensorView& x = info.input(0);
  const uint32_t mask = reduced_mask(options);
  const ReduceShape shape(x.shape, mask);
  new (memory) ReduceState{context.kernels.reduce,
                           static_cast<ReduceKind>(options.kind()),
                           x.type,
                           shape,
                           x.data,
                           info.output(0).data,
                           shape.scattered ? sorting_copy(x, mask) : StridedCopy{}};
  return Status::ok;
}

void run_part(const ReduceState& s, const void* data, int64_t first, int64_t last) {
  const ReduceShape& shape = s.shape;
  const int64_t from = first * shape.n * shape.inner, to = first * shape.inner;
  if (s.type == DataType::i64) {
    reduce_i64({static_cast<const int64_t*>(data) + from, static_cast<int64_t*>(s.y) + to,
                last - first, shape.n, shape.inner},
               s.kind);
    return;
  }
  ReduceArgs args{
      static_cast<const float*>(data) + from, nullptr, nullptr, last - first, shape.n, shape.inner};
  if (is_arg(s.kind)) {
    args.index = static_cast<int64_t*>(s.y) + to;
  } else {
    args.y = static_cast<float*>(s.y) + to;
  }
  s.kernel->run(args, s.kind);
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const ReduceState*>(memory);
  const ReduceShape& shape = state.shape;
  const void* data = state.x;
  if (shape.scattered) {
    run_move({state.sort, state.x, context.shared}, context);
    data = context.shared;
  }
  const int64_t values = std::max<int64_t>(1, shape.n * shape.inner);
  for_slices(context, shape.outer, std::max<int64_t>(1, kParallelValues / values),
             [&](int64_t first, int64_t last) { run_part(state, data, first, last); });
}

const char* variant(const void* memory) {
  return static_cast<const ReduceState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kReduceNode = {.name = "reduce",
                              .type = fb::OpOptions::ReduceOptions,
                              .state_bytes = sizeof(ReduceState),
                              .verify = verify,
                              .scratch = scratch,
                              .arena_bytes = nullptr,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = variant,
                              .multiply_adds = nullptr};

}  // namespace heed
