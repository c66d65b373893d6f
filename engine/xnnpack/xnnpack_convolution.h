#pragma once
// 2-D convolution of float32 images, channels last, by XNNPACK.

#include <cstddef>
#include <cstdint>

#include "engine/arena.h"
#include "engine/status.h"
#include "engine/threads.h"

struct xnn_operator;

namespace heed {

/// Bytes behind a tensor that XNNPACK's kernels may read (never write). Scratch lies behind all
/// tensors of a session, and convolution_workspace_bytes() is at least this much.
inline constexpr size_t kReadableTail = 64;

/// x [batch, in_h, in_w, groups * group_in], weights [groups * group_out, kernel_h, kernel_w,
/// group_in], y [batch, out_h, out_w, groups * group_out].
struct ConvolutionShape {
  int64_t batch;
  int64_t in_h, in_w, out_h, out_w;
  int64_t groups, group_in, group_out;
  uint32_t kernel_h, kernel_w;
  uint32_t stride_h, stride_w;
  uint32_t dilation_h, dilation_w;
  uint32_t pad_top, pad_left, pad_bottom, pad_right;
  bool relu;
};

/// Bytes create_convolution() takes at most, whatever the machine: the packed weights above all.
size_t convolution_bytes(const ConvolutionShape& shape);

/// Bytes of 64-byte aligned scratch that run_convolution() needs at most.
size_t convolution_workspace_bytes(const ConvolutionShape& shape, int32_t threads);

/// Makes an operator whose memory lies in `arena` alone; nothing else needs to be freed, but
/// delete_convolution() ends it properly. `bias` may be null. Weights are copied.
Status create_convolution(const ConvolutionShape& shape, const float* weights, const float* bias,
                          Arena& arena, xnn_operator** out, heed_diagnostic* diagnostic);
void delete_convolution(xnn_operator* convolution);

/// Allocates nothing. May read up to kReadableTail bytes behind x. False: XNNPACK refused, which
/// create_convolution() has made sure does not happen.
bool run_convolution(xnn_operator* convolution, const ConvolutionShape& shape, const float* x,
                     float* y, void* workspace, size_t workspace_bytes, const Threads& threads);

}  // namespace heed
