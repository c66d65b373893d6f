#pragma once
// SentencePiece's normaliser: a table of what characters are replaced by ("precompiled_charsmap" of
// its models, NFKC and more), read where it lies.
//
//   uint32 bytes of the trie; the trie, a double array of uint32 units; replacements, each ended by
//   a zero byte. All little-endian.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace heed {

class Charsmap {
 public:
  Charsmap() = default;  // replaces nothing
  /// False where the table is damaged. Its memory must outlive this object.
  bool read(std::span<const uint8_t> table);

  /// What the text from `at` on begins with, and *end behind what that stands for: a character with
  /// its accents where the table knows them together, else one character.
  std::string_view next(std::string_view text, size_t at, size_t* end) const;

 private:
  /// False: nothing is known that begins the text.
  bool find(std::string_view text, std::string_view* to) const;
  uint32_t unit(size_t i) const;

  std::span<const uint8_t> trie_, replacements_;
};

}  // namespace heed
