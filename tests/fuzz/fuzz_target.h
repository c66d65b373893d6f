#pragma once
// What is fuzzed: a function that takes any bytes and must neither crash, nor leave its memory, nor
// take for ever. One small file per target, <name>_fuzz.cpp, which ends in
//
//   const FuzzTarget kTarget = {"wav", run, seeds, nullptr};
//   const RegisterFuzzTarget kHere(kTarget);
//
// Targets that need the converter are called import_*_fuzz.cpp: builds without it leave them out.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/support/seeded_random.h"

namespace heed::test {

using FuzzBytes = std::vector<uint8_t>;

struct FuzzTarget {
  const char* name;  // and folder of corpus/
  void (*run)(std::span<const uint8_t> bytes);
  /// Sound inputs to start from.
  std::vector<FuzzBytes> (*seeds)();
  /// A change that knows the format; null, or false where it could make none: bytes are changed.
  bool (*mutate)(FuzzBytes& bytes, SeededRandom& random);
};

/// All of this program, by name.
std::vector<const FuzzTarget*> fuzz_targets();
/// Null where there is none of that name.
const FuzzTarget* find_fuzz_target(const std::string& name);

struct RegisterFuzzTarget {
  explicit RegisterFuzzTarget(const FuzzTarget& target);
};

/// Changes a few bytes, or cuts, repeats or drops a piece. Knows no format.
void mutate_bytes(FuzzBytes& bytes, SeededRandom& random);
/// The target's own change, or one of bytes.
void mutate(const FuzzTarget& target, FuzzBytes& bytes, SeededRandom& random);

/// The bytes of a file; empty where there is none.
FuzzBytes read_bytes(const std::string& path);
FuzzBytes to_bytes(const std::string& text);

}  // namespace heed::test
