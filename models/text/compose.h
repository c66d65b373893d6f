#pragma once
// NFC: letters and the accents that follow them as one character where there is one. What Unicode
// says of characters comes with the model (models/families/canonical_table.h writes it):
//
// It lies behind the pieces of a tokenizer by bytes (Tokenizer.pieces):
//
//   uint32 pairs, joints, classes, all little-endian, then
//   pairs:   code, first, second (0: none), in the order of their codes: what each is made of
//   joints:  numbers of the pairs that are put together, in the order of (first, second)
//   classes: code + (class << 24), last code: characters that join what is before them
//
// Hangul is composed by arithmetic.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace heed {

inline constexpr uint32_t kJoiningStarter = 0xFE;  // of combining class 0, yet joined

class Composer {
 public:
  /// False where the table is damaged. Its memory must outlive this object. Without one, any() is
  /// false.
  bool read(std::span<const uint8_t> table);
  bool any() const { return pairs_ > 0; }

  /// The character at text[*at] with all that joins it, composed, and *at behind them; gives how
  /// many bytes were written. Accents beyond kRunCodes begin anew.
  static constexpr size_t kRunCodes = 32, kRunBytes = 4 * kRunCodes;
  size_t next(std::string_view text, size_t* at, char* out) const;

 private:
  struct Run;
  size_t decompose(uint32_t code, uint32_t* parts) const;
  uint32_t joined(uint32_t first, uint32_t second) const;
  uint32_t class_of(uint32_t code) const;
  void compose(Run* run) const;
  uint32_t word(size_t i) const;

  std::span<const uint8_t> words_;
  size_t pairs_ = 0, joints_ = 0, classes_ = 0;
};

}  // namespace heed
