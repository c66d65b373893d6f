// y = f(x), element by element.

#include <cmath>
#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/elementwise/elementwise.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 13;

bool is_integer_kind(UnaryKind kind) {
  return kind == UnaryKind::neg || kind == UnaryKind::abs || kind == UnaryKind::sign ||
         kind == UnaryKind::relu;
}

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const auto& options = info.options<fb::UnaryOptions>();
  HEED_TRY(check.operands(1, 1));
  const TensorView &x = info.input(0), &y = info.output(0);
  HEED_TRY(check.same(x.shape, y.shape));
  HEED_TRY(check.require(options.kind() <= fb::UnaryKind::is_nan, "an unknown function", 0,
                         static_cast<int64_t>(options.kind())));
  HEED_TRY(check.require(!std::isnan(options.alpha()) && !std::isnan(options.beta()),
                         "a function's constant is not a number"));
  const auto kind = static_cast<UnaryKind>(options.kind());
  if (kind == UnaryKind::logical_not) {
    HEED_TRY(check.type(x, DataType::boolean));
    return check.type(y, DataType::boolean);
  }
  if (kind == UnaryKind::is_nan) {
    HEED_TRY(check.type(x, DataType::f32));
    return check.type(y, DataType::boolean);
  }
  HEED_TRY(check.require(x.type == DataType::f32 || (is_integer(x.type) && is_integer_kind(kind)),
                         "the function is not known for this type", 0,
                         static_cast<int64_t>(x.type)));
  return check.type(y, x.type);
}

struct UnaryState {
  const ElementwiseKernel* kernel;
  UnaryKind kind;
  DataType type;
  const void* x;
  void* y;
  int64_t n;
  float alpha, beta;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const auto& options = info.options<fb::UnaryOptions>();
  const TensorView& x = info.input(0);
  new (memory) UnaryState{context.kernels.elementwise,
                          static_cast<UnaryKind>(options.kind()),
                          x.type,
                          x.data,
                          info.output(0).data,
                          x.shape.elements(),
                          options.alpha(),
                          options.beta()};
  return Status::ok;
}

void run_part(const UnaryState& s, int64_t first, int64_t n) {
  if (s.kind == UnaryKind::logical_not) {
    return logical_not(static_cast<const uint8_t*>(s.x) + first, static_cast<uint8_t*>(s.y) + first,
                       n);
  }
  if (s.type == DataType::i64) {
    return unary_i64(static_cast<const int64_t*>(s.x) + first, static_cast<int64_t*>(s.y) + first,
                     n, s.kind);
  }
  if (s.type == DataType::i32) {
    return unary_i32(static_cast<const int32_t*>(s.x) + first, static_cast<int32_t*>(s.y) + first,
                     n, s.kind);
  }
  const float* x = static_cast<const float*>(s.x) + first;
  if (s.kind == UnaryKind::is_nan) return is_nan(x, static_cast<uint8_t*>(s.y) + first, n);
  s.kernel->unary({x, static_cast<float*>(s.y) + first, n, s.alpha, s.beta}, s.kind);
}

void run(const void* memory, RunContext& context) {
  const auto& state = *static_cast<const UnaryState*>(memory);
  for_slices(context, state.n, kParallelValues,
             [&](int64_t first, int64_t last) { run_part(state, first, last - first); });
}

const char* variant(const void* memory) {
  return static_cast<const UnaryState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kUnaryNode = {.name = "unary",
                             .type = fb::OpOptions::UnaryOptions,
                             .state_bytes = sizeof(UnaryState),
                             .verify = verify,
                             .scratch = no_scratch,
                             .arena_bytes = nullptr,
                             .prepare = prepare,
                             .run = run,
                             .destroy = nullptr,
                             .variant = variant,
                             .multiply_adds = nullptr};

}  // namespace heed
