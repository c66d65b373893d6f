#pragma once
// Characters, and words of a few characters, that are replaced by others: NFKD without accents,
// lower case and the like. The table is read where it lies; all numbers are little-endian:
//
//   uint32 1: Hangul syllables are taken apart; words, characters: how many
//   words:      first byte of what is replaced, of what takes its place, both among the texts
//   characters: code, first byte of what takes its place; in ascending order
//   texts, each ended by a zero byte
//
// The first word that the text goes on with is replaced, else its next character.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace heed {

class Replacer {
 public:
  /// False where the table is damaged. Its memory must outlive this object.
  bool read(std::span<const uint8_t> table);

  /// What takes the place of what text[*at] begins, and *at behind that. `made`: room for
  /// kMadeBytes, in which a part may lie.
  static constexpr size_t kMadeBytes = 12;
  std::string_view next(std::string_view text, size_t* at, char* made) const;

 private:
  uint32_t number(size_t i) const;
  std::string_view text_at(size_t first) const;

  std::span<const uint8_t> numbers_, texts_;
  size_t words_ = 0, characters_ = 0;
  bool hangul_ = false;
};

}  // namespace heed
