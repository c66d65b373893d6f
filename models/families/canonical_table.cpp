#include "models/families/canonical_table.h"

namespace heed::families {

std::string canonical_table() {
  std::string bytes;
  const auto put = [&](uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift & 0xFF);
  };
  for (const size_t count : {kCanonicalPairsCount, kCanonicalJointsCount, kCombiningClassesCount})
    put(static_cast<uint32_t>(count));
  for (size_t i = 0; i < kCanonicalPairsCount; ++i)
    for (const uint32_t word :
         {kCanonicalPairs[i].code, kCanonicalPairs[i].first, kCanonicalPairs[i].second})
      put(word);
  for (size_t i = 0; i < kCanonicalJointsCount; ++i) put(kCanonicalJoints[i]);
  for (size_t i = 0; i < kCombiningClassesCount; ++i) {
    put(kCombiningClasses[i].first | kCombiningClasses[i].order << 24);
    put(kCombiningClasses[i].last);
  }
  return bytes;
}

}  // namespace heed::families
