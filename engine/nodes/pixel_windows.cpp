#include "engine/nodes/pixel_windows.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace heed {
namespace {

constexpr int64_t kSizeMax = 1 << 16;  // of a kernel, stride, dilation or padding

/// Runs of a few pixels are too short for a call: pieces of 16 bytes, the last of which reaches
/// back.
inline void copy_run(const std::byte* from, int64_t bytes, std::byte* to) {
  constexpr int64_t kPiece = 16, kLong = 256;
  if (bytes < kPiece || bytes > kLong) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return;
  }
  int64_t at = 0;
  for (; at + kPiece <= bytes; at += kPiece) std::memcpy(to + at, from + at, kPiece);
  if (at < bytes) std::memcpy(to + bytes - kPiece, from + bytes - kPiece, kPiece);
}

}  // namespace

PixelWindows PixelWindows::of(const fb::PixelWindow* p) {
  if (p == nullptr) return {};
  return {.in_h = p->in_h(),
          .in_w = p->in_w(),
          .out_h = p->out_h(),
          .out_w = p->out_w(),
          .kernel_h = p->kernel_h(),
          .kernel_w = p->kernel_w(),
          .stride_h = p->stride_h(),
          .stride_w = p->stride_w(),
          .dilation_h = p->dilation_h(),
          .dilation_w = p->dilation_w(),
          .pad_top = p->pad_top(),
          .pad_left = p->pad_left()};
}

Status verify_pixel_windows(const OpCheck& check, const PixelWindows& w) {
  for (const int64_t size : {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h,
                             w.dilation_w, w.pad_top + 1, w.pad_left + 1}) {
    HEED_TRY(check.require(size >= 1 && size <= kSizeMax,
                           "a kernel, stride, dilation or padding is out of range", kSizeMax,
                           size));
  }
  for (const auto& [high, wide] : {std::pair{w.in_h, w.in_w}, {w.out_h, w.out_w}}) {
    HEED_TRY(check.require(high >= 1 && wide >= 1 && high <= INT32_MAX && wide <= INT32_MAX / high,
                           "a convolution's picture is empty or too large", INT32_MAX, high));
  }
  return Status::ok;
}

void PixelWindows::gather(const std::byte* x, size_t pixel_bytes, int64_t first_row, int32_t rows,
                          std::byte* out) const {
  const auto bytes = static_cast<int64_t>(pixel_bytes);
  // Neighbours across lie next to each other in memory where nothing is left out.
  const int64_t run = dilation_w == 1 ? kernel_w : 1, runs = dilation_w == 1 ? 1 : kernel_w;
  const int64_t line = in_w * bytes;
  int64_t out_y = first_row / out_w % out_h, out_x = first_row % out_w;
  const std::byte* image = x + first_row / (out_h * out_w) * in_h * line;
  for (int32_t row = 0; row < rows; ++row) {
    const int64_t top = out_y * stride_h - pad_top, left = out_x * stride_w - pad_left;
    for (int64_t ky = 0; ky < kernel_h; ++ky) {
      const int64_t y = top + ky * dilation_h;
      const bool inside = y >= 0 && y < in_h;
      for (int64_t r = 0; r < runs; ++r, out += run * bytes) {
        const int64_t begin = left + r * dilation_w;
        if (inside && begin >= 0 && begin + run <= in_w) {
          copy_run(image + y * line + begin * bytes, run * bytes, out);
          continue;
        }
        const int64_t from = std::clamp<int64_t>(begin, 0, in_w);
        const int64_t to = inside ? std::clamp<int64_t>(begin + run, from, in_w) : from;
        std::memset(out, 0, static_cast<size_t>(run * bytes));
        if (to > from)
          std::memcpy(out + (from - begin) * bytes, image + y * line + from * bytes,
                      static_cast<size_t>((to - from) * bytes));
      }
    }
    if (++out_x < out_w) continue;
    out_x = 0;
    if (++out_y < out_h) continue;
    out_y = 0;
    image += in_h * line;
  }
}

}  // namespace heed
