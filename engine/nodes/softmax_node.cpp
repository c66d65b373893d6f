// Softmax or its logarithm over the last dimension.

#include <new>

#include "engine/nodes/node_list.h"
#include "engine/nodes/op_check.h"
#include "engine/nodes/tiles.h"
#include "ops/softmax/softmax.h"

namespace heed {
namespace {

constexpr int64_t kParallelValues = 1 << 12;
constexpr int64_t kRowsPerCall = 1 << 20;  // a kernel counts rows in 32 bits

Status verify(const OpInfo& info, heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  HEED_TRY(check.operands(1, 1));
  HEED_TRY(check.type(info.input(0), DataType::f32));
  HEED_TRY(check.type(info.output(0), DataType::f32));
  HEED_TRY(check.require(info.input(0).shape.last() >= 1, "softmax over nothing"));
  return check.same(info.input(0).shape, info.output(0).shape);
}

struct SoftmaxState {
  const SoftmaxKernel* kernel;
  const float* x;
  float* y;
  int64_t rows;
  int32_t n;
  bool log;
};

Status prepare(const OpInfo& info, PrepareContext& context, void* memory) {
  const TensorView& x = info.input(0);
  new (memory) SoftmaxState{
      context.kernels.softmax, x.as<const float>(), info.output(0).as<float>(),
      x.shape.rows(),          x.shape.last(),      info.options<fb::SoftmaxOptions>().log()};
  return Status::ok;
}

void run(const void* memory, RunContext& context) {
  const auto& s = *static_cast<const SoftmaxState*>(memory);
  const auto function = s.log ? s.kernel->log_softmax : s.kernel->softmax;
  for_slices(context, s.rows, std::max<int64_t>(1, kParallelValues / s.n),
             [&](int64_t first, int64_t last) {
               for (int64_t row = first; row < last; row += kRowsPerCall) {
                 const int64_t rows = std::min(last - row, kRowsPerCall);
                 function({s.x + row * s.n, s.n, s.y + row * s.n, s.n, static_cast<int32_t>(rows),
                           s.n, nullptr});
               }
             });
}

const char* variant(const void* memory) {
  return static_cast<const SoftmaxState*>(memory)->kernel->name;
}

}  // namespace

const NodeKind kSoftmaxNode = {.name = "softmax",
                               .type = fb::OpOptions::SoftmaxOptions,
                               .state_bytes = sizeof(SoftmaxState),
                               .verify = verify,
                               .scratch = no_scratch,
                               .arena_bytes = nullptr,
                               .prepare = prepare,
                               .run = run,
                               .destroy = nullptr,
                               .variant = variant,
                               .multiply_adds = nullptr};

}  // namespace heed
