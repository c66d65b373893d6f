#include <string.h>

#include "ops/linear/linear.h"

namespace heed {

size_t linear_scratch_bytes(int32_t k_padded) {
  return static_cast<size_t>(kLinearRowsMax) * static_cast<size_t>(k_padded);
}

size_t linear_packed_bytes(int32_t n, int32_t k_padded) {
  const size_t blocks = (static_cast<size_t>(n) + kLinearBlockN - 1) / kLinearBlockN;
  return blocks * kLinearBlockN * static_cast<size_t>(k_padded);
}

void pack_linear(const int8_t* w, int32_t n, int32_t groups, int32_t group_width, int8_t* packed,
                 int32_t* w_sum) {
  const size_t k_padded = static_cast<size_t>(groups) * static_cast<size_t>(group_width);
  const size_t n_padded = linear_packed_bytes(n, 1);
  memset(packed, 0, linear_packed_bytes(n, static_cast<int32_t>(k_padded)));
  memset(w_sum, 0, sizeof(int32_t) * n_padded * static_cast<size_t>(groups));
  for (size_t row = 0; row < static_cast<size_t>(n); ++row) {
    const size_t block = row / kLinearBlockN;
    const size_t lane = row % kLinearBlockN;
    for (size_t k = 0; k < k_padded; ++k) {
      const int8_t value = w[row * k_padded + k];
      const size_t quad = block * (k_padded / kLinearGroupK) + k / kLinearGroupK;
      packed[(quad * kLinearBlockN + lane) * kLinearGroupK + k % kLinearGroupK] = value;
      w_sum[k / static_cast<size_t>(group_width) * n_padded + row] += value;
    }
  }
}

}  // namespace heed
