#include "ops/peak/peak.h"

namespace heed {
namespace {

int64_t multiply_adds(int64_t rounds) {
  volatile int32_t sink = 0;
  int32_t sum[4] = {0, 0, 0, 0};
  int8_t a = 3, b = 5;
  for (int64_t r = 0; r < rounds; ++r) {
    for (int32_t& s : sum) s += a * b;
    a = static_cast<int8_t>(a ^ 1);
  }
  sink = sum[0] + sum[1] + sum[2] + sum[3];
  (void)sink;
  return rounds * 4;
}

}  // namespace

extern const PeakKernel peak_reference;
const PeakKernel peak_reference = {"reference", IsaSet(), multiply_adds};

uint64_t read_all(const void* data, size_t bytes) {
  const uint64_t* words = static_cast<const uint64_t*>(data);
  uint64_t sum[8] = {};
  for (size_t i = 0; i < bytes / 8; i += 8)
    for (size_t j = 0; j < 8; ++j) sum[j] += words[i + j];
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

}  // namespace heed
