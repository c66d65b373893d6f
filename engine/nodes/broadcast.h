#pragma once
// NumPy broadcasting as runs: the output is walked in order, and along a run every operand either
// walks (step 1) or stands still (step 0), as ops/elementwise wants it.

#include <cstdint>

#include "engine/tensor.h"

namespace heed {

inline constexpr int32_t kBroadcastOperandsMax = 3;

struct Broadcast {
  int32_t rank = 0;  // after joining neighbours that walk together; at least 1
  int32_t operands = 0;
  int64_t size[kMaxRank] = {};
  int64_t step[kBroadcastOperandsMax][kMaxRank] = {};  // elements; 0 where the operand is repeated

  int64_t elements() const {
    int64_t n = 1;
    for (int32_t d = 0; d < rank; ++d) n *= size[d];
    return n;
  }
  int64_t run_length() const { return size[rank - 1]; }
  int32_t run_step(int32_t operand) const { return static_cast<int32_t>(step[operand][rank - 1]); }
};

/// Every shape in `shapes` broadcasts to `out`.
Broadcast make_broadcast(const Shape& out, const Shape* const* shapes, int32_t count);

/// f(begin, n, offset[]) for the runs that make up the elements first .. last-1 of the output:
/// where in the output a run begins, its length, where in each operand.
template <class F>
void for_runs(const Broadcast& b, int64_t first, int64_t last, const F& f) {
  const int64_t run = b.run_length();
  int64_t at[kMaxRank] = {};
  int64_t offset[kBroadcastOperandsMax] = {};
  if (first >= last) return;
  int64_t position = first / run, skip = first % run;
  for (int32_t d = b.rank - 2; d >= 0; --d) {
    at[d] = position % b.size[d];
    position /= b.size[d];
    for (int32_t i = 0; i < b.operands; ++i) offset[i] += at[d] * b.step[i][d];
  }
  for (int64_t begin = first; begin < last;) {
    const int64_t left = run - skip, wanted = last - begin;
    const int64_t n = left < wanted ? left : wanted;
    int64_t from[kBroadcastOperandsMax] = {};
    for (int32_t i = 0; i < b.operands; ++i) from[i] = offset[i] + skip * b.step[i][b.rank - 1];
    f(begin, n, from);
    begin += n;
    skip = 0;
    for (int32_t d = b.rank - 2; d >= 0; --d) {
      ++at[d];
      for (int32_t i = 0; i < b.operands; ++i) offset[i] += b.step[i][d];
      if (at[d] < b.size[d]) break;
      for (int32_t i = 0; i < b.operands; ++i) offset[i] -= at[d] * b.step[i][d];
      at[d] = 0;
    }
  }
}

}  // namespace heed
