#include "ops/simd/vec_avx2.h"

#include "ops/rope/rope_vec.h"

namespace heed {

extern const RopeKernel kRopeAvx2;
const RopeKernel kRopeAvx2 = {"avx2", Isa::avx2, rotate};

}  // namespace heed
