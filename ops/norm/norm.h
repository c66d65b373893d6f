#pragma once
// Normalisation of rows of n values:
//
//   layer:  mean = sum(x) (1/n),  var = sum((x - mean)^2) (1/n)
//           y[i] = fma((x[i] - mean) * (1 / sqrt(var + epsilon)), gamma[i], beta[i])
//   rms:    ms = sum(x^2) (1/n)
//           y[i] = fma(x[i] * (1 / sqrt(ms + epsilon)), gamma[i], beta[i])
//
// Both sums are float32 in the 16-lane order; sums of squares accumulate by fused multiply-add.
// Without beta the last step is a plain product. Where there is a residual, x + residual takes the
// place of x and is stored.

#include "ops/isa.h"
#include "ops/rows.h"

namespace heed {

struct NormArgs {
  RowsArgs rows;       // in place allowed
  const float* gamma;  // [n]; any alignment
  const float* beta;   // [n] or null
  float epsilon;
  const float* residual = nullptr;  // rows residual_step floats apart; null: none
  ptrdiff_t residual_step = 0;
  float* sum = nullptr;  // where x + residual goes: rows sum_step floats apart; may equal x, or y
  ptrdiff_t sum_step = 0;
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct NormKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  void (*layer)(const NormArgs& args);
  void (*rms)(const NormArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct NormKernelList {
  const NormKernel* const* items;
  size_t count;
};
NormKernelList norm_kernels();

}  // namespace heed
