#include "models/text/charsmap.h"

#include <cstring>

#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr size_t kClusterMax = 6;  // bytes; a longer one goes character by character

uint32_t little_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

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
  const size_t bytes = little_endian(table.data());
  if (bytes % 4 != 0 || bytes == 0 || bytes > table.size() - 4) return false;
  const std::span<const uint8_t> rest = table.subspan(4 + bytes);
  if (rest.empty() || rest.back() != 0) return false;
  trie_ = table.subspan(4, bytes);
  replacements_ = rest;
  return true;
}

/// 0 beyond the end: a unit with which no search goes on.
uint32_t Charsmap::unit(size_t i) const {
  return i < trie_.size() / 4 ? little_endian(trie_.data() + 4 * i) : 0;
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
    *to = reinterpret_cast<const char*>(replacements_.data()) + value;
    return true;
  }
  return false;
}

std::string_view Charsmap::next(std::string_view text, size_t at, size_t* end) const {
  *end = at;
  next_code(text, end);
  const size_t one = *end;
  if (trie_.empty()) return text.substr(at, one - at);
  size_t cluster = one;
  for (size_t after = one; cluster < text.size(); cluster = after)
    if (!is_mark(next_code(text, &after))) break;
  std::string_view to;
  if (cluster > one && cluster - at < kClusterMax && find(text.substr(at, cluster - at), &to)) {
    *end = cluster;
    return to;
  }
  return find(text.substr(at, one - at), &to) ? to : text.substr(at, one - at);
}

}  // namespace heed
