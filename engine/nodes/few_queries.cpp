#include "engine/nodes/few_queries.h"

#include <cstring>

#include "ops/elementwise/elementwise.h"
#include "ops/matmul/matmul.h"
#include "ops/reduce/reduce.h"
#include "ops/softmax/softmax.h"

namespace heed {

const float* attend_few_queries(const KernelSet& kernels, const FewQueriesArgs& args) {
  float* p = args.scratch;
  float* q = args.scratch + args.keys;
  if (args.keys == 0) {
    std::memset(args.y, 0, static_cast<size_t>(args.value_width) * sizeof(float));
    return p;
  }
  for (int32_t d = 0; d < args.head_width; ++d) q[d] = args.q[d] * args.scale;
  kernels.reduce->dot_rows({args.k, args.k_step, q, p, args.keys, args.head_width});
  const RowsArgs row{p, args.keys, p, args.keys, 1, args.keys, nullptr};
  if (args.mask) kernels.elementwise->add_rows({row, args.mask, args.keys, 0, 1});
  kernels.softmax->softmax(row);
  kernels.matmul->run({.a = p,
                       .a_step = args.keys,
                       .b = args.v,
                       .b_block_step = kMatmulBlockN,
                       .b_k_step = args.v_step,
                       .bias = nullptr,
                       .c = args.y,
                       .c_step = args.value_width,
                       .rows = 1,
                       .k = args.keys},
                      0, args.value_width);
  return p;
}

}  // namespace heed
