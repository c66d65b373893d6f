#include "ops/simd/vec_avx2.h"

#include "ops/reduce/reduce_vec.h"

namespace heed {

extern const ReduceKernel kReduceAvx2;
const ReduceKernel kReduceAvx2 = {"avx2", Isa::avx2, run_reduce, dot_rows};

}  // namespace heed
