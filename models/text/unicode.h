#pragma once
// As much of Unicode as tokenizers ask of it. Tables come from make_unicode_tables.py.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace heed {

/// The character at text[*at] (UTF-8), and *at behind it. A byte that begins no character counts as
/// one of its own: kBadByte + its value.
uint32_t next_code(std::string_view text, size_t* at);
inline constexpr uint32_t kBadByte = 0x110000;

/// UTF-8 of a character, 1 to 4 bytes (a bad byte: itself); the count.
size_t put_code(uint32_t code, char* out);

bool is_letter(uint32_t code);
bool is_capital(uint32_t code);  // or a title's
bool is_small(uint32_t code);
bool is_number(uint32_t code);
/// Punctuation as BERT's tokenizers see it: Unicode's, and every other ASCII sign.
bool is_punctuation(uint32_t code);
bool is_mark(uint32_t code);  // accents that combine with the letter before
bool is_any_mark(uint32_t code);  // also what takes room, or encloses
/// What belongs to the character before it: marks, vowel signs, joiners, colours of skin.
bool joins_character(uint32_t code);
bool joins_next(uint32_t code);  // belongs to the character behind it
/// Whether anything can join it: nothing does a control.
bool holds_marks(uint32_t code);
bool is_control(uint32_t code);  // but for tab, line feed and carriage return
bool is_space(uint32_t code);
bool is_cjk(uint32_t code);  // ideographs: each is a word of its own

/// The character in lower case, without accents: up to kFoldMax characters; the count, 0 for an
/// accent.
inline constexpr size_t kFoldMax = 3;
size_t fold(uint32_t code, uint32_t* out);

/// The letters of a Hangul syllable; how many, 0: it is none.
inline constexpr size_t kHangulMax = 3;
size_t take_hangul_apart(uint32_t code, uint32_t* letters);

}  // namespace heed
