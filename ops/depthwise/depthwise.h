#pragma once
// Depthwise convolution of a run of output pixels of one row, float32, channels last:
//
//   y[p,c] = bias[c] + sum_{ky,kx} x[ky][p * stride - pad + kx * dilation, c] * w[ky,kx,c]
//
// Every element is one chain in ascending ky, then kx: t = bias[c]; t = fma(x, w, t). Taps beyond
// the picture are left out. So every variant returns the same bits as the reference.

#include <stddef.h>
#include <stdint.h>

#include "ops/isa.h"

namespace heed {

struct DepthwiseArgs {
  const float* const* rows;  // [kernel_h]: where input row ky begins; null: beyond the picture
  const float* w;            // [kernel_h][kernel_w][channels]
  const float* bias;         // [channels], or null: zeros
  float* y;                  // of pixel `first`; pixels lie `channels` floats apart
  int32_t first, count;      // output pixels
  int32_t in_w;              // input pixels of a row
  int32_t channels, kernel_h, kernel_w;
  int32_t stride, dilation, pad;  // across
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct DepthwiseKernel {
  const char* name;  // the feature that defines it
  IsaSet isa;        // all that it executes
  void (*run)(const DepthwiseArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct DepthwiseKernelList {
  const DepthwiseKernel* const* items;
  size_t count;
};
DepthwiseKernelList depthwise_kernels();

}  // namespace heed
