#pragma once
// Random test data that is the same on every machine. Print seed() in a test's INFO.

#include <stdint.h>

#include <cmath>
#include <span>

namespace heed::test {

/// SplitMix64: any seed is a good one, and the sequence depends on nothing but the seed.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : seed_(seed), state_(seed) {}

  uint64_t seed() const { return seed_; }

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// A whole number from lowest to highest, both included.
  int64_t integer(int64_t lowest, int64_t highest) {
    const uint64_t span = static_cast<uint64_t>(highest - lowest) + 1;
    return lowest + static_cast<int64_t>(span == 0 ? next() : next() % span);
  }

  /// Uniform in [lowest, highest).
  float uniform(float lowest, float highest) {
    const float unit = static_cast<float>(next() >> 40) * 0x1p-24f;
    return lowest + (highest - lowest) * unit;
  }

  /// About normal (the sum of twelve uniforms), mean 0, deviation 1, within [-6, 6].
  float normal() {
    float sum = -6.0f;
    for (int i = 0; i < 12; ++i) sum += uniform(0.0f, 1.0f);
    return sum;
  }

  void fill(std::span<float> out, float lowest = -1.0f, float highest = 1.0f) {
    for (float& value : out) value = uniform(lowest, highest);
  }
  void fill(std::span<int8_t> out, int lowest = -127, int highest = 127) {
    for (int8_t& value : out) value = static_cast<int8_t>(integer(lowest, highest));
  }

 private:
  uint64_t seed_;
  uint64_t state_;
};

}  // namespace heed::test
