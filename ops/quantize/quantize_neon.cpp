#include "ops/simd/vec_neon.h"

#include "ops/quantize/quantize_vec.h"

namespace heed {

extern const QuantizeKernel kQuantizeNeon;
const QuantizeKernel kQuantizeNeon = {"neon", Isa::neon, quantize, dequantize, find_absmax};

}  // namespace heed
