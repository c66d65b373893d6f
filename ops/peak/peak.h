#pragma once
// How fast this core can go: the yardstick that reports divide by. Not a measure of any model.

#include <stddef.h>
#include <stdint.h>

#include "ops/isa.h"

namespace heed {

struct PeakKernel {
  const char* name;  // the feature whose dot product it issues
  IsaSet isa;
  /// Issues `rounds` rounds of independent int8 dot products on registers, as many at once as hide
  /// their latency, and returns the multiply-adds done. The clock is the caller's.
  int64_t (*int8_multiply_adds)(int64_t rounds);
};

/// All variants, best first; the reference is last and needs nothing.
struct PeakKernelList {
  const PeakKernel* const* items;
  size_t count;
};
PeakKernelList peak_kernels();

/// Reads `bytes` bytes (a multiple of 64, 64-byte aligned) once and returns their sum as 64-bit
/// words: for measuring the bandwidth of whatever level of memory they lie in.
uint64_t read_all(const void* data, size_t bytes);

}  // namespace heed
