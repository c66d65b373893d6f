#pragma once
// The windows of a 2-D convolution over [B, H, W, ..] pixels, each laid out as one row: what makes
// the convolution a linear layer.

#include <cstddef>
#include <cstdint>

#include "engine/nodes/op_check.h"

namespace heed {

struct PixelWindows {
  int64_t in_h, in_w, out_h, out_w;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;

  static PixelWindows of(const fb::PixelWindow* window);
  int64_t taps() const { return kernel_h * kernel_w; }

  /// Writes windows first_row .. first_row + rows - 1, each taps() pixels of `pixel_bytes` bytes;
  /// what lies beyond the picture is zero.
  void gather(const std::byte* x, size_t pixel_bytes, int64_t first_row, int32_t rows,
              std::byte* out) const;
};

/// Bounds that keep every place within 64 bits, and the sizes of the pictures.
Status verify_pixel_windows(const OpCheck& check, const PixelWindows& windows);

}  // namespace heed
