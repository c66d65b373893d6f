#include "ops/simd/vec_avx2.h"

#include "ops/quantize/quantize_vec.h"

namespace heed {

extern const QuantizeKernel kQuantizeAvx2;
const QuantizeKernel kQuantizeAvx2 = {"avx2", Isa::avx2, quantize, dequantize, find_absmax};

}  // namespace heed
