#pragma once
// Panels of float rows for kernel tests: guarded memory, chosen misalignment, values that hurt.

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/guarded_buffer.h"
#include "tests/support/seeded_random.h"

namespace heed::test {

#if defined(__arm__)
inline constexpr bool kDenormalsFlushed = true;  // NEON of armv7
#else
inline constexpr bool kDenormalsFlushed = false;
#endif

/// Kinds of values to fill a panel with.
enum class Values { normal, zeros, huge, small, mixed };
inline constexpr Values kAllValues[] = {Values::normal, Values::zeros, Values::huge, Values::small,
                                        Values::mixed};

inline float draw_any(SeededRandom& random, Values values) {
  switch (values) {
    case Values::normal:
      return 3.0f * random.normal();
    case Values::zeros:
      return random.integer(0, 1) == 0 ? 0.0f : -0.0f;
    case Values::huge:
      return random.uniform(-1e18f, 1e18f);
    case Values::small:
      return random.uniform(-1e-18f, 1e-18f);
    case Values::mixed:
      break;
  }
  const auto exponent = static_cast<int>(random.integer(-60, 60));
  return std::ldexp(random.uniform(-1.0f, 1.0f), exponent);
}

/// Where denormals are flushed, nothing whose square or cube comes near them.
inline float draw(SeededRandom& random, Values values) {
  const float value = draw_any(random, values);
  return kDenormalsFlushed && std::fabs(value) < 1e-9f ? 0.0f : value;
}

/// rows x n floats, `step` apart, nothing beyond the last value readable.
struct Panel {
  int32_t rows, n;
  ptrdiff_t step;
  GuardedBuffer<float> memory;

  Panel(int32_t rows_, int32_t n_, int32_t gap = 0)
      : rows(rows_),
        n(n_),
        step(n_ + gap),
        memory(static_cast<size_t>(rows_ == 0 ? 0 : (rows_ - 1) * (n_ + gap) + n_)) {}

  float* row(int32_t m) { return memory.data() + m * step; }
  void fill(SeededRandom& random, Values values) {
    for (float& value : memory) value = draw(random, values);
  }
  void copy_from(const Panel& other) {
    std::memcpy(memory.data(), other.memory.data(), memory.bytes());
  }
};

inline bool same_bits(const void* a, const void* b, size_t bytes) {
  return bytes == 0 || std::memcmp(a, b, bytes) == 0;
}
inline bool same_bits(const Panel& a, const Panel& b) {
  return same_bits(a.memory.data(), b.memory.data(), a.memory.bytes());
}

/// Row widths on both sides of every seam: 1 .. 70 and some that models have.
inline std::vector<int32_t> row_widths() {
  std::vector<int32_t> widths;
  for (int32_t n = 1; n <= 70; ++n) widths.push_back(n);
  widths.insert(widths.end(), {127, 128, 129, 192, 255, 257, 384, 768, 1000});
  return widths;
}

/// Floats of every exponent, about 2^32 / stride of them, both signs, zeros and infinities; no NaN,
/// and numbers so small that results become denormal only where the machine keeps those.
inline std::vector<float> floats_of_all_sizes(uint32_t stride) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> all = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, infinity, -infinity};
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += stride) {
    const auto pattern = static_cast<uint32_t>(bits);
    float value;
    std::memcpy(&value, &pattern, sizeof value);
    if (value != value) continue;
    if (kDenormalsFlushed && std::fabs(value) < 1e-30f) continue;
    all.push_back(value);
  }
  return all;
}

/// Calls f(kernel) for every variant of a family that this machine can run, the reference included.
template <class List, class IsaSetType, class F>
void for_each_variant(List list, IsaSetType machine, F f) {
  for (size_t i = 0; i < list.count; ++i) {
    if (machine.contains(list.items[i]->isa)) f(*list.items[i]);
  }
}
template <class List>
const auto& reference_of(List list) {
  return *list.items[list.count - 1];
}

}  // namespace heed::test
