#include "ops/simd/vec_neon.h"

#include "ops/elementwise/elementwise_vec.h"

namespace heed {

extern const ActivationKernel kActivationNeon;

namespace {

void unary(const UnaryArgs& args, UnaryKind kind) { run_unary(args, kind, kActivationNeon); }

}  // namespace

extern const ElementwiseKernel kElementwiseNeon;
const ElementwiseKernel kElementwiseNeon = {"neon",  Isa::neon,   unary,   binary,
                                            compare, select_runs, add_rows};

}  // namespace heed
