#pragma once
// What the tables that come with a tokenizer hold: numbers, little-endian, at any address, and
// texts, each ended by a zero byte.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace heed {

inline uint32_t table_word(const uint8_t* bytes, size_t i = 0) {
  const uint8_t* p = bytes + 4 * i;
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 |
         static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
}

/// Longer texts are cut: nothing is replaced by so much.
inline constexpr size_t kTableTextMax = 256;

/// The text at texts[first], which must be within.
inline std::string_view table_text(std::span<const uint8_t> texts, size_t first) {
  const auto* text = reinterpret_cast<const char*>(texts.data()) + first;
  const size_t most = texts.size() - first < kTableTextMax ? texts.size() - first : kTableTextMax;
  const void* end = std::memchr(text, 0, most);
  return {text, end == nullptr ? most : static_cast<size_t>(static_cast<const char*>(end) - text)};
}

}  // namespace heed
