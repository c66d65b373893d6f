#include <string.h>

#include "ops/matmul/matmul.h"

namespace heed {

size_t matmul_packed_floats(int32_t n, int32_t k) {
  const size_t blocks = (static_cast<size_t>(n) + kMatmulBlockN - 1) / kMatmulBlockN;
  return blocks * kMatmulBlockN * static_cast<size_t>(k);
}

void pack_matmul(const float* w, int32_t n, int32_t k, float* packed) {
  const size_t terms = static_cast<size_t>(k);
  memset(packed, 0, sizeof(float) * matmul_packed_floats(n, k));
  for (size_t row = 0; row < static_cast<size_t>(n); ++row) {
    float* out = packed + row / kMatmulBlockN * kMatmulBlockN * terms + row % kMatmulBlockN;
    for (size_t i = 0; i < terms; ++i) out[i * kMatmulBlockN] = w[row * terms + i];
  }
}

}  // namespace heed
