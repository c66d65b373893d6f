#pragma once
// The most multiply-adds per second that one core can do, measured by loops of nothing else.

#include <vector>

namespace heed::bench {

struct Peak {
  const char* name;  // the instruction and its width
  double gmac_per_s;
};

/// Peaks of 8-bit dot products and float32 fused multiply-adds that this machine can execute,
/// widest first of each. Empty where none is known. Takes some 10 ms for each.
std::vector<Peak> measure_int8_peaks();
std::vector<Peak> measure_float_peaks();

}  // namespace heed::bench
