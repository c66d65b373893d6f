#pragma once
// Unicode's canonical pairs and combining classes, as models/text/compose.h reads them. They lie
// here so that a device's program need not hold them: models whose texts are composed bring them.

#include <cstddef>
#include <cstdint>
#include <string>

namespace heed::families {

struct CanonicalPair {
  uint32_t code, first, second;  // 0: none
};
struct CombiningClass {
  uint32_t first, last, order;
};

// Written by models/text/make_unicode_tables.py.
extern const CanonicalPair kCanonicalPairs[];
extern const uint16_t kCanonicalJoints[];
extern const CombiningClass kCombiningClasses[];
extern const size_t kCanonicalPairsCount, kCanonicalJointsCount, kCombiningClassesCount;

std::string canonical_table();

}  // namespace heed::families
