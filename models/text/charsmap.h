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

  enum class Loose : uint8_t { none, joined, next };
  /// What the text from *at on begins with, and *at behind what that stands for: a character with
  /// all that joins it, where that is short and the table knows its beginning, else a character.
  /// `loose`, as it is made before the first call: whether what joins the character before, or the
  /// next as well, goes one by one.
  std::string_view next(std::string_view text, size_t* at, Loose* loose) const;

 private:
  /// False: nothing is known that begins the text.
  bool find(std::string_view text, std::string_view* to) const;
  uint32_t unit(size_t i) const;

  std::span<const uint8_t> trie_, replacements_;
};

}  // namespace heed
