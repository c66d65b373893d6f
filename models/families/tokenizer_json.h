#pragma once
// tokenizer.json, as the tokenizers library writes it, and the lists of pieces that all formats
// come to. Private to tokenizer_files.cpp.

#include <string>
#include <unordered_map>
#include <vector>

#include "models/families/settings.h"

namespace heed::fb {
struct TokenizerT;
}

namespace heed::families {

/// The pieces of a vocabulary by their ids.
class PieceList {
 public:
  void add(const std::string& piece) { put(static_cast<int64_t>(pieces_.size()), piece); }
  void put(int64_t id, const std::string& piece);
  int32_t id_of(const std::string& piece) const;  // -1: none
  int64_t count() const { return static_cast<int64_t>(pieces_.size()); }
  const std::unordered_map<std::string, int32_t>& ids() const { return ids_; }

  /// Where "<0x00>" .. "<0xFF>" follow one another: each becomes the byte it stands for. Gives the
  /// id of the first, or -1.
  int32_t set_bytes();
  /// Whether a piece, but for special ones, has "\u2581" behind something else.
  bool any_over_spaces(const std::vector<int32_t>& special) const;
  /// "\u2581" becomes the space that it stands for.
  void unmap_spaces();
  /// The printable characters of byte-level BPE become the bytes that they stand for; special
  /// pieces stay.
  void unmap_bytes(const std::vector<int32_t>& special = {});

  void store(fb::TokenizerT* made) const;

 private:
  std::vector<std::string> pieces_;
  std::unordered_map<std::string, int32_t> ids_;
};

/// {"piece": id, ..}. Throws ConvertError, naming `file`, where an id is none.
PieceList pieces_of(const JsonTree::Object& vocabulary, const std::string& file);

/// "left right" lines as triples of ids. Throws ConvertError where a piece is not in the list.
std::vector<int32_t> merges_of(const std::vector<std::string>& lines, const PieceList& pieces,
                               const std::string& file);

/// What each of `count` numbers of a recogniser adds to a text, from a vocabulary of pieces: "" is
/// the blank, a space begins a word, special tokens keep their names. Throws ConvertError.
std::vector<std::string> spoken_pieces(const Settings& whole, int64_t count, int64_t blank);

/// False, with the reason in `why`, where it asks for what models/text has no counterpart of.
/// Throws ConvertError where it is damaged.
bool read_tokenizer_json(const Settings& whole, fb::TokenizerT* made, std::string* why);

}  // namespace heed::families
