#pragma once
// float32 matrix product:
//
//   c[m,n] = sum_k a[m,k] * b[k,n]  (+ bias[n])
//
// M rows, N columns, K terms. Every element is one chain in ascending k: t = 0; t = fma(a[m,k],
// b[k,n], t); then t + bias[n] when there is a bias. So every variant returns the same bits as the
// reference.

#include <stddef.h>
#include <stdint.h>

#include "ops/isa.h"

namespace heed {

inline constexpr int32_t kMatmulBlockN = 16;  // columns that lie together in b

struct MatmulArgs {
  /// a[m * a_step + k]; rows may overlap (frames of a signal). Any alignment of a float.
  const float* a;
  ptrdiff_t a_step;
  /// b[(n / 16) * b_block_step + k * b_k_step + n % 16]. Packed weights [N/16][K][16]: block step
  /// K*16, k step 16. A plain row-major matrix: block step 16, k step its row stride.
  const float* b;
  ptrdiff_t b_block_step;
  ptrdiff_t b_k_step;
  /// [N], or null.
  const float* bias;
  /// c[m * c_step + n]; overlaps neither a nor b.
  float* c;
  ptrdiff_t c_step;
  int32_t rows;  // M, any number
  int32_t k;     // K, any number
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct MatmulKernel {
  const char* name;  // the feature that defines it
  IsaSet isa;        // all that it executes
  /// Computes columns n_begin .. n_end-1 of all rows. n_begin is a multiple of 16; n_end too, or it
  /// is N itself. Reads and writes only columns below n_end of b, bias and c.
  void (*run)(const MatmulArgs& args, int32_t n_begin, int32_t n_end);
};

/// All variants, best first; the reference is last and needs nothing.
struct MatmulKernelList {
  const MatmulKernel* const* items;
  size_t count;
};
MatmulKernelList matmul_kernels();

/// Floats of packed weights for N outputs and K inputs.
size_t matmul_packed_floats(int32_t n, int32_t k);

/// Packs row-major weights w[n][k] (a linear layer's, transposed b) into [N/16][K][16], zeros where
/// padded. Runs at conversion.
void pack_matmul(const float* w, int32_t n, int32_t k, float* packed);

}  // namespace heed
