#include "ops/simd/vec_avx512.h"

#include "ops/elementwise/elementwise_vec.h"

namespace heed {

extern const ActivationKernel kActivationAvx512;

namespace {

void unary(const UnaryArgs& args, UnaryKind kind) { run_unary(args, kind, kActivationAvx512); }

}  // namespace

extern const ElementwiseKernel kElementwiseAvx512;
const ElementwiseKernel kElementwiseAvx512 = {
    "avx512", Isa::avx2 | Isa::avx512, unary, binary, compare, select_runs, add_rows};

}  // namespace heed
