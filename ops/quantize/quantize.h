#pragma once
// Rows of floats to int8 with one scale per row or per group of a row, and back:
//
//   scale = absmax / 127,  q[i] = clamp(round_to_nearest_even(x[i] * (127 / absmax)), -127, 127)
//
// absmax is the largest |x| of the group. A group whose absmax is below kQuantizeTiny (so that
// 127 / absmax stays finite) counts as zero: scale 0, values 0. A group with an infinity or a NaN
// gets a scale that is not finite and unspecified values.

#include "ops/isa.h"
#include "ops/rows.h"

namespace heed {

inline constexpr int32_t kQuantizePad = 16;  // rows of q are padded with zeros to this
inline constexpr float kQuantizeTiny = 0x1p-100f;

struct QuantizeArgs {
  const float* x;  // rows x_step floats apart; any alignment; only n values of a row are read
  ptrdiff_t x_step;
  const float* absmax;  // [rows] largest |x|, already known: a single pass. Null: found here.
                        // Only looked at where group is 0.
  int8_t* q;            // rows q_step bytes apart; n rounded up to 16 bytes of each are written
  ptrdiff_t q_step;
  float* scale;  // scale[m * scale_step + g], g < ceil(n / group)
  ptrdiff_t scale_step;
  int32_t rows;   // >= 0
  int32_t n;      // values per row, >= 1
  int32_t group;  // values per scale, a multiple of 16; 0 or anything >= n: one scale per row
};

struct DequantizeArgs {
  const int8_t* q;  // as above; only n values of a row are read
  ptrdiff_t q_step;
  const float* scale;
  ptrdiff_t scale_step;
  float* y;  // y[m * y_step + i] = scale[m, i / group] * q[m, i]
  ptrdiff_t y_step;
  int32_t rows;
  int32_t n;
  int32_t group;  // as above
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct QuantizeKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  void (*quantize)(const QuantizeArgs& args);
  void (*dequantize)(const DequantizeArgs& args);
  /// absmax[m] = largest |x[m,i]|; y is not used.
  void (*absmax)(const RowsArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct QuantizeKernelList {
  const QuantizeKernel* const* items;
  size_t count;
};
QuantizeKernelList quantize_kernels();

}  // namespace heed
