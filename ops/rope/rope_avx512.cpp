#include "ops/simd/vec_avx512.h"

#include "ops/rope/rope_vec.h"

namespace heed {

extern const RopeKernel kRopeAvx512;
const RopeKernel kRopeAvx512 = {"avx512", Isa::avx2 | Isa::avx512, rotate};

}  // namespace heed
