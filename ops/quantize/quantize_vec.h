#pragma once
// Quantisation over F32x16; include after vec_<isa>.h.

#include "ops/quantize/quantize.h"

namespace heed {
namespace {

inline float largest(const float* x, int32_t n) {
  F32x16 a = set1(0.0f), b = set1(0.0f);
  int32_t i = 0;
  for (; i + 32 <= n; i += 32) {
    a = max_abs(a, load(x + i));
    b = max_abs(b, load(x + i + 16));
  }
  if (i + 16 <= n) {
    a = max_abs(a, load(x + i));
    i += 16;
  }
  if (i < n) b = max_abs(b, load_partial(x + i, n - i));
  return max(max_abs(a, b));
}

/// Writes n rounded up to 16 values; returns the scale.
inline float quantize_group(const float* x, int32_t n, float absmax, int8_t* q) {
  const bool zero = absmax < kQuantizeTiny;
  const F32x16 inverse = set1(zero ? 0.0f : 127.0f / absmax);
  int32_t i = 0;
  for (; i + 16 * kI8Block <= n; i += 16 * kI8Block) {
    F32x16 v[kI8Block];
    for (int b = 0; b < kI8Block; ++b) v[b] = load(x + i + 16 * b) * inverse;
    store_i8_block(q + i, v);
  }
  for (; i + 16 <= n; i += 16) store_i8(q + i, load(x + i) * inverse);
  if (i < n) store_i8(q + i, load_partial(x + i, n - i) * inverse);
  return zero ? 0.0f : absmax / 127.0f;
}

void quantize(const QuantizeArgs& args) {
  const bool whole = args.group <= 0 || args.group >= args.n;
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    int8_t* q = args.q + m * args.q_step;
    float* scale = args.scale + m * args.scale_step;
    if (whole) {
      const float absmax = args.absmax != nullptr ? args.absmax[m] : largest(x, args.n);
      *scale = quantize_group(x, args.n, absmax, q);
      continue;
    }
    for (int32_t begin = 0; begin < args.n; begin += args.group) {
      const int32_t left = args.n - begin, n = left < args.group ? left : args.group;
      *scale++ = quantize_group(x + begin, n, largest(x + begin, n), q + begin);
    }
  }
}

inline void dequantize_group(const int8_t* q, int32_t n, F32x16 scale, float* y) {
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, scale * load_i8(q + i));
  if (i < n) store_partial(y + i, scale * load_i8_partial(q + i, n - i), n - i);
}

void dequantize(const DequantizeArgs& args) {
  const int32_t group = args.group <= 0 || args.group >= args.n ? args.n : args.group;
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* scale = args.scale + m * args.scale_step;
    for (int32_t begin = 0; begin < args.n; begin += group) {
      const int32_t left = args.n - begin, n = left < group ? left : group;
      dequantize_group(args.q + m * args.q_step + begin, n, set1(*scale++),
                       args.y + m * args.y_step + begin);
    }
  }
}

void find_absmax(const RowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m)
    args.absmax[m] = largest(args.x + m * args.x_step, args.n);
}

}  // namespace
}  // namespace heed
