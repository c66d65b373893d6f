// y = f(a, b) with NumPy broadcast: arithmetic, comparisons, logic.

#include <new>

#include "engine/nodes/broadcast.h"
#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/elementwise/elementwise.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 14;

Status verify_types(const OpCheck& check, BinaryKind kind, DataType in, DataType out) {
  const bool is_truth = is_comparison(kind) || is_logical(kind);
  if (in == DataType::boolean) {
    HEED_TRY(check.require(is_logical(kind) || kind == BinaryKind::equal,
                           "the function is not known for booleans", 0,
                           static_cast<int64_t>(kind)));
  } else {
    HEED_TRY(check.require(in == DataType::f32 || is_integer(in),
                           "the function is not known for this type", 0, static_cast<int64_t>(in)));
    HEED_TRY(check.require(!is_logical(kind), "logic needs booleans"));
  }
  const DataType expected = is_truth ? DataType::boolean : in;
  return check.require(out == expected, "the result has the wrong type",
                       static_cast<int64_t>(expected), static_cast<int64_t>(out));
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::BinaryOptions>();
  HEED_TRY(check.operands(2, 2));
  const TensorView &a = info.input(0), &b = info.input(1), &y = info.output(0);
  HEED_TRY(check.require(options.kind() <= fb::BinaryKind::logical_xor, "an unknown function", 0,
                         static_cast<int64_t>(options.kind())));
  HEED_TRY(check.require(a.type == b.type, "two operands differ in type",
                         static_cast<int64_t>(a.type), static_cast<int64_t>(b.type)));
  HEED_TRY(verify_types(check, static_cast<BinaryKind>(options.kind()), a.type, y.type));
  Shape both;
  HEED_TRY(
      check.require(broadcast_shapes(a.shape, b.shape, &both), "two operands do not broadcast"));
  return check.same(both, y.shape);
}

struct BinaryState {
  const ElementwiseKernel* kernel;
  BinaryKind kind;
  DataType type;
  const void* a;
  const void* b;
  void* y;
  Broadcast walk;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const TensorView &a = info.input(0), &b = info.input(1), &y = info.output(0);
  const Shape* shapes[] = {&a.shape, &b.shape};
  new (memory) BinaryState{context.kernels.elementwise,
                           static_cast<BinaryKind>(info.options<fb::BinaryOptions>().kind()),
                           a.type,
                           a.data,
                           b.data,
                           y.data,
                           make_broadcast(y.shape, shapes, 2)};
  return Status::ok;
}

/// One run as the kernels take it.
template <class T, class Y>
BinaryRun<T, Y> run_of(const BinaryState& s, int64_t begin, int64_t n, const int64_t* from) {
  return {static_cast<const T*>(s.a) + from[0],
          static_cast<const T*>(s.b) + from[1],
          s.walk.run_step(0),
          s.walk.run_step(1),
          static_cast<Y*>(s.y) + begin,
          n};
}

void run_one(const BinaryState& s, int64_t begin, int64_t n, const int64_t* from) {
  const bool compares = is_comparison(s.kind);
  switch (s.type) {
    case DataType::f32:
      return compares ? s.kernel->compare(run_of<float, uint8_t>(s, begin, n, from), s.kind)
                      : s.kernel->binary(run_of<float, float>(s, begin, n, from), s.kind);
    case DataType::i64:
      return compares ? compare_i64(run_of<int64_t, uint8_t>(s, begin, n, from), s.kind)
                      : binary_i64(run_of<int64_t, int64_t>(s, begin, n, from), s.kind);
    case DataType::i32:
      return compares ? compare_i32(run_of<int32_t, uint8_t>(s, begin, n, from), s.kind)
                      : binary_i32(run_of<int32_t, int32_t>(s, begin, n, from), s.kind);
    default:
      return binary_bool(run_of<uint8_t, uint8_t>(s, begin, n, from), s.kind);
  }
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const BinaryState*>(memory);
  for_slices(context, state.walk.elements(), kParallelValues, [&](int64_t first, int64_t last) {
    for_runs(state.walk, first, last, [&](int64_t begin, int64_t n, const int64_t* from) {
      run_one(state, begin, n, from);
    });
  });
}

const char* variant(const void* memory) {
  return static_cast<const BinaryState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kBinaryNode = {.name = "binary",
                              .type = fb::OpOptions::BinaryOptions,
                              .state_bytes = sizeof(BinaryState),
                              .verify = verify,
                              .scratch = no_scratch,
                              .arena_bytes = nullptr,
                              .prepare = prepare,
                              .run = run,
                              .destroy = nullptr,
                              .variant = variant,
                              .multiply_adds = nullptr};

}  // namespace heed
