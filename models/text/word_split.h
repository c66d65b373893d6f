#pragma once
// Where byte-level tokenizers part a text into words: nothing is joined across the end of one.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace heed {

enum class WordRule : uint8_t {
  /// 's|'t|'re|'ve|'m|'ll|'d| ?letters| ?numbers| ?others|spaces before a space or the end|spaces
  gpt2,
  /// (the same without regard to case)|.?letters|1 to 3 numbers| ?others and line ends|
  /// spaces up to line ends|spaces before a space or the end|spaces; "." is no line end, no number
  llama3,
  qwen2,  // llama3 with numbers one by one
};

/// Where the word that begins at `at` ends, behind `at`.
size_t word_end(WordRule rule, std::string_view text, size_t at);

}  // namespace heed
