#pragma once
// Attention of a few queries in float32: keys and values are read once, where they lie. Quantising
// and packing them, which serves many queries, would take longer than that (a decoder's step).
//
//   z[s] = sum_d (q[d] * scale) k[s,d] + mask[s];  p = softmax(z);  y[d] = sum_s p[s] v[s,d]
//
// over the keys in sight; a query that sees none, or only keys masked by -infinity, gives zeros.

#include <cstddef>
#include <cstdint>

#include "ops/kernel_set.h"

namespace heed {

/// Queries that share keys up to which this is quicker or, the last, as quick to 3 %: packing costs
/// 75 cycles a key and the int8 kernel 6 a key and query, this 32 (AVX-512 on Zen 4, D = 64, all in
/// the second cache).
inline constexpr int64_t kFewQueries = 3;
/// The same over caches of int8, which attention of many queries unpacks and packs again: measured
/// 10 cycles a key and query, against some 100 a key and 6 a key and query.
inline constexpr int64_t kFewQueriesCached = 16;

struct FewQueriesArgs {
  const float* q;  // one query, D values
  const float* k;  // of the first key in sight; rows k_step floats apart
  ptrdiff_t k_step;
  const float* v;
  ptrdiff_t v_step;
  int32_t keys;  // in sight, >= 0
  int32_t head_width;
  int32_t value_width;
  float scale;
  const float* mask;  // of the first key in sight; null: none
  float* y;           // Dv values
  float* scratch;     // few_queries_scratch_floats()
};

constexpr size_t few_queries_scratch_floats(int32_t keys, int32_t head_width) {
  return static_cast<size_t>(keys) + static_cast<size_t>(head_width);
}

/// Returns the probabilities of the keys in sight, within scratch.
const float* attend_few_queries(const KernelSet& kernels, const FewQueriesArgs& args);

}  // namespace heed
