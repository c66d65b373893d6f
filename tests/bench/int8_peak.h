#pragma once
// The yardstick of the benchmarks: what one core does with nothing but int8 dot products.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#include "ops/peak/peak.h"

namespace heed::bench {

/// Multiply-adds per second of a feature's int8 dot product on registers; 0 where there is none of
/// that name or this machine lacks it. Takes about 10 ms, and is measured once.
inline double int8_peak(const char* feature) {
  static std::map<std::string, double> known;
  const auto found = known.find(feature);
  if (found != known.end()) return found->second;
  using Clock = std::chrono::steady_clock;
  const PeakKernelList list = peak_kernels();
  const IsaSet have = detect_isa();
  double best = 0;
  for (size_t i = 0; i < list.count; ++i) {
    const PeakKernel* kernel = list.items[i];
    if (std::strcmp(kernel->name, feature) != 0 || !have.contains(kernel->isa)) continue;
    for (int round = 0; round < 30; ++round) {
      const Clock::time_point start = Clock::now();
      const int64_t macs = kernel->int8_multiply_adds(5000);
      const std::chrono::duration<double> took = Clock::now() - start;
      best = std::max(best, static_cast<double>(macs) / took.count());
    }
  }
  return known[feature] = best;
}

/// The best feature of this machine by the order of the list.
inline const char* int8_peak_feature() {
  const PeakKernelList list = peak_kernels();
  const IsaSet have = detect_isa();
  size_t i = 0;
  while (i + 1 < list.count && !have.contains(list.items[i]->isa)) ++i;
  return list.items[i]->name;
}

}  // namespace heed::bench
