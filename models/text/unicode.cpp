#include "models/text/unicode.h"

#include <algorithm>

#include "models/text/unicode_tables.h"

namespace heed {
namespace {

/// The last entry whose first field is not above `code`; null where there is none.
template <class Entry, class First>
const Entry* entry_below(const Entry* table, size_t count, uint32_t code, First first) {
  const Entry* end = table + count;
  const Entry* above = std::upper_bound(
      table, end, code, [&](uint32_t value, const Entry& entry) { return value < first(entry); });
  return above == table ? nullptr : above - 1;
}

bool within(const CodeRange* table, size_t count, uint32_t code) {
  const CodeRange* range =
      entry_below(table, count, code, [](const CodeRange& r) -> uint32_t { return r.first; });
  return range != nullptr && code - range->first <= range->more;
}

/// What the table has for `code`; 0 where it has nothing.
template <class Pair>
uint32_t paired(const Pair* table, size_t count, uint32_t code) {
  const Pair* pair =
      entry_below(table, count, code, [](const Pair& p) -> uint32_t { return p.code; });
  return pair != nullptr && pair->code == code ? pair->to : 0;
}

bool is_ascii_sign(uint32_t code) {
  return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
         (code >= 123 && code <= 126);
}

}  // namespace

uint32_t next_code(std::string_view text, size_t* at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte((*at)++);
  if (lead < 0x80) return lead;
  const size_t more = lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 ? 2 : 1;
  const size_t first = *at;
  if (lead < 0xC2 || lead >= 0xF5 || first + more > text.size()) return kBadByte + lead;
  uint32_t code = lead & (0x3Fu >> more);
  for (size_t i = 0; i < more; ++i) {
    if ((byte(first + i) & 0xC0) != 0x80) return kBadByte + lead;
    code = code << 6 | (byte(first + i) & 0x3F);
  }
  constexpr uint32_t kLeast[4] = {0, 0x80, 0x800, 0x10000};
  if (code < kLeast[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    return kBadByte + lead;
  *at = first + more;
  return code;
}

size_t put_code(uint32_t code, char* out) {
  const auto put = [&](size_t i, uint32_t value) { out[i] = static_cast<char>(value); };
  if (code >= kBadByte || code < 0x80) {
    put(0, code & 0xFF);
    return 1;
  }
  if (code < 0x800) {
    put(0, 0xC0 | code >> 6);
    put(1, 0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    put(0, 0xE0 | code >> 12);
    put(1, 0x80 | (code >> 6 & 0x3F));
    put(2, 0x80 | (code & 0x3F));
    return 3;
  }
  put(0, 0xF0 | code >> 18);
  put(1, 0x80 | (code >> 12 & 0x3F));
  put(2, 0x80 | (code >> 6 & 0x3F));
  put(3, 0x80 | (code & 0x3F));
  return 4;
}

bool is_letter(uint32_t code) { return within(kLetters, kLettersCount, code); }
bool is_number(uint32_t code) { return within(kNumbers, kNumbersCount, code); }
bool is_capital(uint32_t code) { return within(kCapitals, kCapitalsCount, code); }
bool is_small(uint32_t code) { return within(kSmalls, kSmallsCount, code); }
bool is_any_mark(uint32_t code) {
  return is_mark(code) || within(kSpacingMarks, kSpacingMarksCount, code);
}
bool is_mark(uint32_t code) { return within(kMarks, kMarksCount, code); }
bool joins_character(uint32_t code) {
  return is_mark(code) || within(kJoiners, kJoinersCount, code);
}
bool joins_next(uint32_t code) { return within(kPrefixes, kPrefixesCount, code); }
bool holds_marks(uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  const bool format = code == 0xAD || code == 0x61C || code == 0x180E || code == 0x200B ||
                      (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                      (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
                      (code >= 0xFFF0 && code <= 0xFFFB);
  return !control && !format;
}
bool is_punctuation(uint32_t code) {
  return is_ascii_sign(code) || within(kPunctuation, kPunctuationCount, code);
}
bool is_control(uint32_t code) {
  return code != '\t' && code != '\n' && code != '\r' && within(kControls, kControlsCount, code);
}

bool is_space(uint32_t code) {
  return (code >= 9 && code <= 13) || code == ' ' || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_cjk(uint32_t code) {
  return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
         (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
         (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B820 && code <= 0x2CEAF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

/// Syllables are built from letters by arithmetic.
size_t take_hangul_apart(uint32_t code, uint32_t* letters) {
  constexpr uint32_t kFirst = 0xAC00, kLeadLetters = 19, kVowelLetters = 21, kTailLetters = 28;
  const uint32_t index = code - kFirst;
  if (index >= kLeadLetters * kVowelLetters * kTailLetters) return 0;
  letters[0] = 0x1100 + index / (kVowelLetters * kTailLetters);
  letters[1] = 0x1161 + index % (kVowelLetters * kTailLetters) / kTailLetters;
  letters[2] = 0x11A7 + index % kTailLetters;
  return index % kTailLetters == 0 ? 2 : 3;
}

size_t fold(uint32_t code, uint32_t* out) {
  out[0] = code;
  if (code < 0x80) {
    if (code >= 'A' && code <= 'Z') out[0] = code + 32;
    return 1;
  }
  if (is_mark(code)) return 0;
  if (const size_t letters = take_hangul_apart(code, out); letters != 0) return letters;
  uint32_t to = paired(kFoldPairs, kFoldPairsCount, code);
  if (to == 0 && code >= 0x20000)
    to = paired(kFoldIdeographs, kFoldIdeographsCount, code - 0x20000);
  if (to == 0) to = paired(kFoldFarPairs, kFoldFarPairsCount, code);
  if (to != 0) {
    out[0] = to;
    return 1;
  }
  const FoldRun* run =
      entry_below(kFoldRuns, kFoldRunsCount, code, [](const FoldRun& r) { return r.first; });
  if (run != nullptr && code <= run->last && (code - run->first) % run->stride == 0) {
    out[0] = static_cast<uint32_t>(static_cast<int64_t>(code) + run->difference);
    return 1;
  }
  const FoldWord* word =
      entry_below(kFoldWords, kFoldWordsCount, code, [](const FoldWord& w) { return w.code; });
  if (word == nullptr || word->code != code) return 1;
  size_t count = 0;
  while (count < kFoldMax && word->to[count] != 0) {
    out[count] = word->to[count];
    ++count;
  }
  return count;
}

}  // namespace heed
