#include "engine/nodes/pixel_windows.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace heed {
namespace {

constexpr int64_t kSizeMax = 1 << 16;  // of a kernel, stride, dilation or padding

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
  for (int64_t row = first_row; row < first_row + rows; ++row) {
    const int64_t image = row / (out_h * out_w), at = row % (out_h * out_w);
    const int64_t top = at / out_w * stride_h - pad_top, left = at % out_w * stride_w - pad_left;
    for (int64_t ky = 0; ky < kernel_h; ++ky) {
      const int64_t y = top + ky * dilation_h;
      for (int64_t r = 0; r < runs; ++r, out += run * bytes) {
        const int64_t begin = left + r * dilation_w;
        const int64_t from = std::clamp<int64_t>(begin, 0, in_w);
        const int64_t to = y < 0 || y >= in_h ? from : std::clamp<int64_t>(begin + run, from, in_w);
        if (to - from == run) {
          std::memcpy(out, x + ((image * in_h + y) * in_w + from) * bytes,
                      static_cast<size_t>(run * bytes));
          continue;
        }
        std::memset(out, 0, static_cast<size_t>(run * bytes));
        if (to > from)
          std::memcpy(out + (from - begin) * bytes, x + ((image * in_h + y) * in_w + from) * bytes,
                      static_cast<size_t>((to - from) * bytes));
      }
    }
  }
}

}  // namespace heed
