#pragma once
// What is fuzzed: a function that takes any bytes and must neither crash, nor leave its memory, nor
// take for ever. One small file per target, <name>_fuzz.cpp, which ends in
//
//   const FuzzTarget kTarget = {"sound", run, seeds, nullptr};
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

/// Runs it. Returns the seconds of processor time that it took, which a busy machine does not
/// stretch: more than kFuzzSecondsMax count as an endless loop.
double run_timed(const FuzzTarget& target, std::span<const uint8_t> bytes);
inline constexpr double kFuzzSecondsMax = 1;

/// Changes a few bytes, or cuts, repeats or drops a piece. Knows no format.
void mutate_bytes(FuzzBytes& bytes, SeededRandom& random);
/// The target's own change, or one of bytes.
void mutate(const FuzzTarget& target, FuzzBytes& bytes, SeededRandom& random);

/// Its seeds, then what ever broke it (corpus/<target>), by name.
std::vector<FuzzBytes> known_inputs(const FuzzTarget& target);

/// For what a target chooses by itself: the same for the same bytes.
uint64_t hash_of(std::span<const uint8_t> bytes);

/// The bytes of a file; empty where there is none.
FuzzBytes read_bytes(const std::string& path);
/// Of every file in a folder, by name.
std::vector<FuzzBytes> read_folder(const std::string& folder);
FuzzBytes to_bytes(const std::string& text);

}  // namespace heed::test
