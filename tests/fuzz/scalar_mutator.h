#pragma once
// Numbers of a FlatBuffer, changed to what tells a sound reader from another: bounds, near misses,
// what overflows.

#include <iterator>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/table_scalars.h"

namespace heed::test {

inline constexpr int64_t kTelling[] = {
    0,     1,     -1,    2,  3,    4,    7,     8,       9,       15,        16,       17,
    31,    32,    48,    63, 64,   65,   127,   128,     144,     255,       256,      1000,
    32767, 65535, 65536, -2, -128, 4096, 16384, 1 << 20, 1 << 24, INT32_MAX, INT32_MIN};

/// One of 0 .. count - 1.
inline size_t below(SeededRandom& random, size_t count) {
  return static_cast<size_t>(random.integer(0, static_cast<int64_t>(count) - 1));
}
template <class T, size_t n>
T pick(const T (&values)[n], SeededRandom& random) {
  return values[below(random, n)];
}

void mutate_scalar(uint8_t* base, const TableScalar& scalar, SeededRandom& random);

/// Some of all numbers below a sound root table; there is one at least.
void mutate_scalars(FuzzBytes& bytes, size_t root_at, const flatbuffers::TypeTable* type,
                    int64_t count, SeededRandom& random);

}  // namespace heed::test
