#pragma once
// Linear layer on int8 rows:
//
//   y[m,n] = bias[n] + sum_g x_scale[m,g] * w_scale[n] * (sum_{k in group g} x[m,k] * w[n,k])
//
// M rows, N outputs, K inputs cut into groups of equal width. The inner sum is an exact int32. The
// float part is evaluated in one order on every ISA: t = bias[n]; for each g ascending,
// t = fma(float(acc), x_scale[m,g] * w_scale[n], t), each operation rounded to nearest even.
// So every variant returns the same bits as linear_reference. One exception lies in the hardware:
// the vector unit of ARMv7 takes numbers below 2^-126 for zero.

#include <stddef.h>
#include <stdint.h>

#include "ops/isa.h"

namespace heed {

/// Outputs that share a packed block.
inline constexpr int32_t kLinearBlockN = 16;
/// Consecutive inputs that lie together: one lane of vpdpbusd or sdot.
inline constexpr int32_t kLinearGroupK = 4;
/// Group widths are multiples of this: rows of x are padded with zeros.
inline constexpr int32_t kLinearWidthMultiple = 16;
/// Most rows of one call: 8 tiles of 6, 4 of 12.
inline constexpr int32_t kLinearRowsMax = 48;

struct LinearArgs {
  /// int8 in [-127, 127], rows x_step bytes apart (rows may overlap: frames of a signal); each row
  /// holds groups * group_width bytes, padding included (zeros). Any alignment. Nothing beyond is
  /// read.
  const int8_t* x;
  ptrdiff_t x_step;
  /// x_scale[m * x_scale_step + g]
  const float* x_scale;
  ptrdiff_t x_scale_step;
  int32_t rows;         // 1 .. kLinearRowsMax
  int32_t groups;       // >= 1
  int32_t group_width;  // multiple of kLinearWidthMultiple; groups * group_width <= 65536
  /// Packed weights [N/16][K/4][16][4] in [-127, 127], 64-byte aligned, zero where padded.
  const int8_t* w;
  const float* w_scale;  // [N rounded up to 16], 64-byte aligned
  /// w_sum[g * w_sum_step + n]: sum over the group's k of w[n,k]; each group's row 64-byte aligned.
  const int32_t* w_sum;
  ptrdiff_t w_sum_step;  // N rounded up to 16
  const float* bias;     // [N rounded up to 16], 64-byte aligned, zeros where there is none
  /// Output rows, y_step floats apart; y points at column 0. Must not overlap x.
  float* y;
  ptrdiff_t y_step;
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct LinearKernel {
  const char* name;  // the feature that defines it, e.g. "avx512vnni"
  IsaSet isa;        // all that it executes
  /// Computes columns n_begin .. n_end-1 of all rows. n_begin is a multiple of 16; n_end too, or it
  /// is N itself: then only columns below n_end are written. `scratch`: linear_scratch_bytes(),
  /// 64-byte aligned, the caller's to give and nobody else's during the call.
  void (*run)(const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch);
};

/// Scratch for one call with up to kLinearRowsMax rows of k_padded bytes. The same on every ISA, so
/// that a model's memory does not depend on the machine.
size_t linear_scratch_bytes(int32_t k_padded);

/// All variants, best first; the reference is last and needs nothing.
struct LinearKernelList {
  const LinearKernel* const* items;
  size_t count;
};
LinearKernelList linear_kernels();

/// Bytes of packed weights for N outputs and K inputs per row (padding included).
size_t linear_packed_bytes(int32_t n, int32_t k_padded);

/// Packs row-major int8 weights w[n][k_padded] into `packed` and their group sums into
/// w_sum[groups][N rounded up to 16]. Runs at conversion.
void pack_linear(const int8_t* w, int32_t n, int32_t groups, int32_t group_width, int8_t* packed,
                 int32_t* w_sum);

}  // namespace heed
