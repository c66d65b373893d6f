#include "models/text/charsmap.h"

#include "models/text/table_word.h"
#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr size_t kClusterMax = 6;  // bytes; a longer one goes character by character

// The fields of a unit, as darts-clone packs them.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t leaf_value(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

}  // namespace

bool Charsmap::read(std::span<const uint8_t> table) {
  trie_ = replacements_ = {};
  if (table.empty()) return true;
  if (table.size() < 4) return false;
  const size_t bytes = table_word(table.data());
  if (bytes % 4 != 0 || bytes == 0 || bytes > table.size() - 4) return false;
  const std::span<const uint8_t> rest = table.subspan(4 + bytes);
  if (rest.empty() || rest.back() != 0) return false;
  trie_ = table.subspan(4, bytes);
  replacements_ = rest;
  return true;
}

/// 0 beyond the end: a unit with which no search goes on.
uint32_t Charsmap::unit(size_t i) const {
  return i < trie_.size() / 4 ? table_word(trie_.data(), i) : 0;
}

/// The shortest known beginning counts, as in the library that defines this.
bool Charsmap::find(std::string_view text, std::string_view* to) const {
  size_t at = offset(unit(0));
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) return false;
    at ^= byte;
    const uint32_t found = unit(at);
    if (label(found) != byte) return false;
    at ^= offset(found);
    if (!has_leaf(found)) continue;
    const size_t value = leaf_value(unit(at));
    if (value >= replacements_.size()) return false;
    *to = table_text(replacements_, value);
    return true;
  }
  return false;
}

std::string_view Charsmap::next(std::string_view text, size_t* at, Loose* loose) const {
  const size_t first = *at;
  const uint32_t code = next_code(text, at);
  const std::string_view one = text.substr(first, *at - first);
  if (trie_.empty()) return one;
  const auto end_with = [&](size_t end, bool joined) {
    size_t after = end;
    return joined && end < text.size() && joins_character(next_code(text, &after)) ? after : end;
  };
  const bool held = holds_marks(code);
  const bool goes_on =
      *loose == Loose::next ? held : *loose == Loose::joined && joins_character(code);
  const bool line_end = text.substr(first, 2) == "\r\n";  // which nothing joins
  size_t end = line_end ? *at + 1 : end_with(*at, held);
  const bool alone = goes_on || end == *at;
  for (size_t next = end; end - first < kClusterMax && !alone && !line_end; end = next)
    if ((next = end_with(end, true)) == end) break;
  std::string_view to;
  if (!alone && end - first < kClusterMax && find(text.substr(first, end - first), &to)) {
    *at = end;
    *loose = Loose::none;
    return to;
  }
  *loose = joins_next(code) ? Loose::next : held ? Loose::joined : Loose::none;
  return find(one, &to) ? to : one;
}

}  // namespace heed
