#include "ops/simd/vec_avx512.h"

#include "ops/quantize/quantize_vec.h"

namespace heed {

extern const QuantizeKernel kQuantizeAvx512;
const QuantizeKernel kQuantizeAvx512 = {"avx512", Isa::avx2 | Isa::avx512, quantize, dequantize,
                                        find_absmax};

}  // namespace heed
