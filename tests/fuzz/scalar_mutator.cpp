#include "tests/fuzz/scalar_mutator.h"

#include <cstring>
#include <limits>

namespace heed::test {
namespace {

constexpr float kTellingFloats[] = {0.0f,
                                    -0.0f,
                                    1.0f,
                                    -1.0f,
                                    1e-30f,
                                    1e-45f,
                                    1e30f,
                                    3e38f,
                                    -3e38f,
                                    0.5f,
                                    std::numeric_limits<float>::infinity(),
                                    -std::numeric_limits<float>::infinity(),
                                    std::numeric_limits<float>::quiet_NaN()};

}  // namespace

void mutate_scalar(uint8_t* base, const TableScalar& scalar, SeededRandom& random) {
  uint8_t* const value = base + scalar.at;
  if (scalar.type == flatbuffers::ET_FLOAT) {
    const float changed = pick(kTellingFloats, random);
    memcpy(value, &changed, sizeof changed);
    return;
  }
  const size_t bytes = scalar.bytes();
  int64_t number = 0;
  memcpy(&number, value, bytes);
  switch (random.integer(0, 3)) {
    case 0:
      number += random.integer(-3, 3);
      break;
    case 1:
      number = bytes == 8 ? static_cast<int64_t>(random.next()) & ~int64_t{63} : number * 2;
      break;
    default:
      number = bytes == 1 ? random.integer(0, 30) : pick(kTelling, random);
  }
  memcpy(value, &number, bytes);
}

void mutate_scalars(FuzzBytes& bytes, size_t root_at, const flatbuffers::TypeTable* type,
                    int64_t count, SeededRandom& random) {
  const uint8_t* root = flatbuffers::GetRoot<uint8_t>(bytes.data() + root_at);
  const auto scalars = table_scalars(bytes.data(), root, type);
  for (; count > 0; --count)
    mutate_scalar(bytes.data(), scalars[below(random, scalars.size())], random);
}

}  // namespace heed::test
