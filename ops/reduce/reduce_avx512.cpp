#include "ops/simd/vec_avx512.h"

#include "ops/reduce/reduce_vec.h"

namespace heed {

extern const ReduceKernel kReduceAvx512;
const ReduceKernel kReduceAvx512 = {"avx512", Isa::avx2 | Isa::avx512, run_reduce, dot_rows};

}  // namespace heed
