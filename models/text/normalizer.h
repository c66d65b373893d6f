#pragma once
// What a tokenizer does to a text before it parts it into words: stages, each of which reads what
// the one before it leaves. Their tables come with the model, behind a Unigram tokenizer's pieces
// (Tokenizer.pieces); all numbers are little-endian:
//
//   uint32 1, uint32 1: white space parts words, 0: only spaces do (and U+2581 in their place);
//   then for each stage uint32 kind + (option << 8), uint32 bytes of its table, the table
//
//   1 trim      white space goes: option 1 at the beginning, 2 at the end, 3 both
//   2 collapse  option 0: spaces in a row become one; 1: one U+2581; 2: so does white space in a
//               row, and each tab, line feed and carriage return becomes a space
//   3 replace   models/text/replacer.h
//   4 compose   NFC: models/text/compose.h
//   5 charsmap  models/text/charsmap.h
//
// A table that begins with another number is a charsmap alone; white space parts words.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/text/charsmap.h"
#include "models/text/compose.h"
#include "models/text/replacer.h"

namespace heed {

class Normalizer {
 public:
  /// False where the table is damaged. Its memory must outlive this object. All that next() needs
  /// is allocated here.
  bool read(std::span<const uint8_t> table);
  bool white_space_parts() const { return white_space_parts_; }

  /// `text` must stay until the next begin().
  void begin(std::string_view text);
  /// The next part of the normalised text, which may be empty; false at the end. It stays until the
  /// next call. A table by which stages blow up each other's texts without bound ends the text
  /// early.
  bool next(std::string_view* part) { return pull(count_, part); }

 private:
  enum class Kind : uint32_t { trim = 1, collapse, replace, compose, charsmap };
  static constexpr size_t kStagesMax = 8, kTrimsMax = 2;
  static constexpr size_t kWindow = 1024;
  static constexpr size_t kStepsMin = 4096, kStepsOfByte = 256;
  static constexpr size_t kAhead = 256;  // bytes that a stage may look at before it goes on

  struct Stage {
    Kind kind = Kind::charsmap;
    uint32_t option = 0;
    Charsmap charsmap;
    Composer composer;
    Replacer replacer;
    char made[Composer::kRunBytes];  // by compose and replace
    // What it reads: a window on what the stage before it leaves, of which `rest` does not fit yet.
    std::vector<char> window;  // empty: the text itself
    size_t at = 0, held = 0;
    std::string_view rest;
    bool whole = false;   // nothing comes after what is held
    bool within = false;  // trim: begun; collapse: in a run
    Charsmap::Loose loose = Charsmap::Loose::none;
    size_t passed = 0;      // trim: bytes
    size_t end = SIZE_MAX;  // trim: bytes before the white space at the end
  };

  bool read_stage(uint32_t kind, std::span<const uint8_t> table);
  void rewind(size_t stages);
  size_t bytes_before_trailing_space(size_t stages);
  bool pull(size_t stages, std::string_view* part);
  void top_up(size_t stage);
  static std::string_view step(Stage* stage, std::string_view text);
  static std::string_view trimmed(Stage* stage, std::string_view text);
  static std::string_view collapsed(Stage* stage, std::string_view text);

  std::array<Stage, kStagesMax> stages_;
  size_t count_ = 0, trims_ = 0;
  bool white_space_parts_ = true, text_read_ = false;
  size_t steps_left_ = 0;
  std::string_view text_;
};

}  // namespace heed
