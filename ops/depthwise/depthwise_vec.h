#pragma once
// The depthwise convolution over F32x16; include after vec_<isa>.h. Four pixels go together where
// all of their taps lie within the row: each weight is loaded once for them. Arguments travel by
// value, as in norm_vec.h.

#include "ops/depthwise/depthwise.h"

namespace heed {
namespace {

constexpr int32_t kPixelBlock = 4;

/// Taps kx_begin .. kx_end-1 of kPixels pixels from `pixel` on, sixteen channels from c on or, in
/// the last block, `left` of them.
template <int kPixels, bool kWhole>
inline void channel_block(DepthwiseArgs a, int32_t pixel, int32_t kx_begin, int32_t kx_end,
                          int32_t c, int32_t left) {
  const auto get = [left](const float* p) {
    if constexpr (kWhole) return load(p);
    return load_partial(p, left);
  };
  const ptrdiff_t channels = a.channels, step = channels * a.stride;
  F32x16 t[kPixels];
  for (int i = 0; i < kPixels; ++i) t[i] = a.bias != nullptr ? get(a.bias + c) : set1(0.0f);
  const ptrdiff_t first =
      (ptrdiff_t{pixel} * a.stride - a.pad + ptrdiff_t{kx_begin} * a.dilation) * channels + c;
  for (int32_t ky = 0; ky < a.kernel_h; ++ky) {
    if (a.rows[ky] == nullptr) continue;
    const float* x = a.rows[ky] + first;
    const float* w = a.w + (ptrdiff_t{ky} * a.kernel_w + kx_begin) * channels + c;
    for (int32_t kx = kx_begin; kx < kx_end; ++kx) {
      const F32x16 weight = get(w);
      for (int i = 0; i < kPixels; ++i) t[i] = fma(get(x + i * step), weight, t[i]);
      if (kx + 1 < kx_end) x += a.dilation * channels, w += channels;
    }
  }
  float* y = a.y + ptrdiff_t{pixel - a.first} * channels + c;
  for (int i = 0; i < kPixels; ++i) {
    if constexpr (kWhole)
      store(y + i * channels, t[i]);
    else
      store_partial(y + i * channels, t[i], left);
  }
}

template <int kPixels>
inline void pixel_block(const DepthwiseArgs& a, int32_t pixel, int32_t kx_begin, int32_t kx_end) {
  int32_t c = 0;
  for (; c + 16 <= a.channels; c += 16)
    channel_block<kPixels, true>(a, pixel, kx_begin, kx_end, c, 16);
  if (c < a.channels) channel_block<kPixels, false>(a, pixel, kx_begin, kx_end, c, a.channels - c);
}

void depthwise(const DepthwiseArgs& a) {
  const int64_t reach = int64_t{a.kernel_w - 1} * a.dilation;
  for (int32_t p = a.first; p < a.first + a.count;) {
    const int64_t left = int64_t{p} * a.stride - a.pad;
    const int64_t last = left + int64_t{kPixelBlock - 1} * a.stride + reach;
    if (left >= 0 && last < a.in_w && p + kPixelBlock <= a.first + a.count) {
      pixel_block<kPixelBlock>(a, p, 0, a.kernel_w);
      p += kPixelBlock;
      continue;
    }
    int32_t begin = 0, end = a.kernel_w;
    while (begin < end && left + int64_t{begin} * a.dilation < 0) ++begin;
    while (end > begin && left + int64_t{end - 1} * a.dilation >= a.in_w) --end;
    pixel_block<1>(a, p, begin, end);
    ++p;
  }
}

}  // namespace
}  // namespace heed
