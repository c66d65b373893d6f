#include "ops/simd/vec_neon.h"

#include "ops/reduce/reduce_vec.h"

namespace heed {

extern const ReduceKernel kReduceNeon;
const ReduceKernel kReduceNeon = {"neon", Isa::neon, run_reduce, dot_rows};

}  // namespace heed
