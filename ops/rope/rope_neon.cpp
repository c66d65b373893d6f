#include "ops/simd/vec_neon.h"

#include "ops/rope/rope_vec.h"

namespace heed {

extern const RopeKernel kRopeNeon;
const RopeKernel kRopeNeon = {"neon", Isa::neon, rotate};

}  // namespace heed
