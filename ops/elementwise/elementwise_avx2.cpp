#include "ops/simd/vec_avx2.h"

#include "ops/elementwise/elementwise_vec.h"

namespace heed {

extern const ActivationKernel kActivationAvx2;

namespace {

void unary(const UnaryArgs& args, UnaryKind kind) { run_unary(args, kind, kActivationAvx2); }

}  // namespace

extern const ElementwiseKernel kElementwiseAvx2;
const ElementwiseKernel kElementwiseAvx2 = {"avx2",  Isa::avx2,   unary,   binary,
                                            compare, select_runs, add_rows};

}  // namespace heed
