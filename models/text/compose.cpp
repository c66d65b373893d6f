#include "models/text/compose.h"

#include "models/text/table_word.h"
#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr size_t kHead = 3;      // words
constexpr size_t kPartsMax = 4;  // of one character
constexpr uint32_t kFirstPair = 0xC0, kFirstClass = 0x300;
constexpr uint32_t kCode = 0x1FFFFF;

constexpr uint32_t kSyllable = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr uint32_t kLeads = 19, kVowels = 21, kTails = 28;

bool is_vowel(uint32_t code) { return code - kVowel < kVowels; }
bool is_tail(uint32_t code) { return code - kTail - 1 < kTails - 1; }

/// 0: they make no syllable.
uint32_t syllable(uint32_t first, uint32_t second) {
  if (first - kLead < kLeads && is_vowel(second))
    return kSyllable + ((first - kLead) * kVowels + second - kVowel) * kTails;
  const uint32_t index = first - kSyllable;
  const bool open = index < kLeads * kVowels * kTails && index % kTails == 0;
  return open && is_tail(second) ? first + second - kTail : 0;
}

/// The first of `count` numbers that is not before what is looked for.
template <class Before>
size_t lower_bound(size_t count, Before before) {
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (before(middle))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

struct Composer::Run {
  uint32_t codes[kRunCodes], classes[kRunCodes];
  size_t count = 0;
};

uint32_t Composer::word(size_t i) const { return table_word(words_.data(), i); }

bool Composer::read(std::span<const uint8_t> table) {
  pairs_ = joints_ = classes_ = 0;
  if (table.empty()) return true;
  if (table.size() < 4 * kHead) return false;
  words_ = table;
  const uint64_t pairs = word(0), joints = word(1), classes = word(2);
  if (pairs == 0 || joints > pairs ||
      table.size() != 4 * (kHead + 3 * pairs + joints + 2 * classes))
    return false;
  for (size_t i = 0; i < joints; ++i)
    if (word(kHead + 3 * static_cast<size_t>(pairs) + i) >= pairs) return false;
  pairs_ = static_cast<size_t>(pairs);
  joints_ = static_cast<size_t>(joints);
  classes_ = static_cast<size_t>(classes);
  return true;
}

/// What a character is made of, in `parts`; how many they are.
size_t Composer::decompose(uint32_t code, uint32_t* parts) const {
  uint32_t tail[kPartsMax];
  size_t count = 0;
  // Each step leaves a character that may have parts itself.
  for (size_t step = 0; step < 2 * kPartsMax && code >= kFirstPair; ++step) {
    const size_t at = lower_bound(pairs_, [&](size_t i) { return word(kHead + 3 * i) < code; });
    const size_t pair = kHead + 3 * at;
    if (at == pairs_ || word(pair) != code) break;
    const uint32_t second = word(pair + 2);
    if (second != 0 && count + 1 == kPartsMax) break;
    if (second != 0) tail[count++] = second & kCode;
    code = word(pair + 1) & kCode;
  }
  *parts = code;
  for (size_t i = count; i-- > 0;) *++parts = tail[i];
  return count + 1;
}

/// 0: they stay two.
uint32_t Composer::joined(uint32_t first, uint32_t second) const {
  if (const uint32_t made = syllable(first, second); made != 0) return made;
  const auto pair = [&](size_t joint) {
    return kHead + 3 * static_cast<size_t>(word(kHead + 3 * pairs_ + joint));
  };
  const size_t at = lower_bound(joints_, [&](size_t i) {
    const uint32_t other = word(pair(i) + 1);
    return other < first || (other == first && word(pair(i) + 2) < second);
  });
  if (at == joints_) return 0;
  const size_t found = pair(at);
  return word(found + 1) == first && word(found + 2) == second ? word(found) & kCode : 0;
}

uint32_t Composer::class_of(uint32_t code) const {
  if (code < kFirstClass) return 0;
  if (is_vowel(code) || is_tail(code)) return kJoiningStarter;
  const size_t first = kHead + 3 * pairs_ + joints_;
  const size_t at = lower_bound(classes_, [&](size_t i) { return word(first + 2 * i + 1) < code; });
  if (at == classes_) return 0;
  const uint32_t range = word(first + 2 * at);
  return (range & kCode) <= code ? range >> 24 : 0;
}

/// Accents in the order of their classes, then each joins the letter before it, unless one of the
/// same class, or of a higher, stands between them.
void Composer::compose(Run* run) const {
  uint32_t *codes = run->codes, *classes = run->classes;
  for (size_t i = 1; i < run->count; ++i) {
    const uint32_t code = codes[i], order = classes[i];
    size_t at = i;
    for (; order != 0 && at > 0 && classes[at - 1] > order; --at) {
      codes[at] = codes[at - 1];
      classes[at] = classes[at - 1];
    }
    codes[at] = code;
    classes[at] = order;
  }
  size_t kept = 0, letter = SIZE_MAX;
  for (size_t i = 0; i < run->count; ++i) {
    const uint32_t code = codes[i], order = classes[i];
    if (letter != SIZE_MAX && (kept == letter + 1 || classes[kept - 1] < order)) {
      if (const uint32_t made = joined(codes[letter], code); made != 0) {
        codes[letter] = made;
        continue;
      }
    }
    if (order == 0) letter = kept;
    codes[kept] = code;
    classes[kept++] = order;
  }
  run->count = kept;
}

size_t Composer::next(std::string_view text, size_t* at, char* out) const {
  const auto plain = [&](size_t i) {
    return i == text.size() || static_cast<uint8_t>(text[i]) < 0x80;
  };
  if (plain(*at) && plain(*at + 1)) {
    *out = text[(*at)++];
    return 1;
  }
  Run run;
  while (*at < text.size()) {
    uint32_t parts[kPartsMax];
    size_t after = *at;
    const size_t count = decompose(next_code(text, &after), parts);
    if (run.count > 0 && (class_of(parts[0]) == 0 || run.count + count > kRunCodes)) break;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t order = class_of(parts[i]);
      run.codes[run.count] = parts[i];
      run.classes[run.count++] = order == kJoiningStarter ? 0 : order;
    }
    *at = after;
  }
  compose(&run);
  size_t bytes = 0;
  for (size_t i = 0; i < run.count; ++i) bytes += put_code(run.codes[i], out + bytes);
  return bytes;
}

}  // namespace heed
