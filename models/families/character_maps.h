#pragma once
// What tokenizers make of single characters, as the tokenizers library does it: CharacterMap is the
// sum of such steps.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace heed::families {

struct PartRun {  // first + i is made of part + i
  uint32_t first, last, part;
};
struct AccentRange {
  uint32_t first, more;  // characters after the first
};
struct CaseRun {  // every stride-th character of first .. last
  uint32_t first, last, stride;
  int32_t difference;
};

// Written by models/text/make_unicode_tables.py.
extern const PartRun kCompatibleRuns[];
extern const uint32_t kCompatibleParts[];  // code + (parts << 24), parts, ..
extern const AccentRange kAccents[];
extern const CaseRun kLowerCases[];
extern const size_t kCompatibleRunsCount, kCompatiblePartsCount, kAccentsCount, kLowerCasesCount;

class CharacterMap {
 public:
  using Text = std::u32string;
  using Changes = std::map<char32_t, Text>;

  bool empty() const { return changes_.empty() && !hangul_apart_; }
  /// The characters that become others; a syllable of Hangul is taken apart besides where
  /// hangul_apart().
  const Changes& changes() const { return changes_; }
  bool hangul_apart() const { return hangul_apart_; }

  // Each acts on what the steps before it made.
  void take_apart(bool compatible);  // NFD, NFKD; accents in the order in which they come
  void strip_accents();
  void lower();
  void nmt();  // sentencepiece's rules for controls and spaces
  void replace(char32_t from, const Text& to);

  Text of(const Text& text) const;

 private:
  void then(const Changes& step);

  Changes changes_;
  bool hangul_apart_ = false;
};

/// UTF-8 and code points; bytes that are no character are dropped.
std::u32string code_points(const std::string& text);
std::string utf8_of(const std::u32string& text);

}  // namespace heed::families
