#pragma once
// Where byte-level tokenizers part a text into words: nothing is joined across the end of one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace heed {

/// How one step parts a text.
enum class WordRule : uint8_t {
  /// 's|'t|'re|'ve|'m|'ll|'d| ?letters| ?numbers| ?others|spaces before a space or the end|spaces
  gpt2,
  /// (the same without regard to case)|.?letters|1 to 3 numbers| ?others and line ends|
  /// spaces up to line ends|spaces before a space or the end|spaces; "." is no line end, no number
  llama3,
  qwen2,  // llama3 with numbers one by one
  /// .?capitals small letters|.?capitals, of which one or the other may be none, then 's|'t|..|
  /// the rest as llama3, "/" being a line end behind others; what is neither, and marks, are both
  o200k,
  tekken,  // o200k with numbers one by one, without 's|'t|..
  // At each number, sign, or place that says the same as a text: the parted.
  numbers,
  punctuation,
  text,
};

/// What becomes of the parted, as the tokenizers library has it.
enum class Parted : uint8_t {
  removed,
  isolated,
  contiguous,
  merged_with_previous,
  merged_with_next
};

/// Steps that part a text one after the other: each parts the pieces that the one before has made.
class WordSplit {
 public:
  static constexpr size_t kStepsMax = 8;
  /// Where the pieces end in which the last word lay, of each step; all 0 before the first.
  using Ends = std::array<size_t, kStepsMax>;
  struct Word {
    size_t begin, end;
  };

  WordSplit() = default;
  explicit WordSplit(WordRule rule) : steps_{{rule, Parted::isolated, {}}} {}

  /// Reads steps from the beginning of *table, and takes them off it: each a name of a rule, where
  /// it parts at something a space and what becomes of that, where that is a text another space and
  /// the text, then a zero; an empty one ends them. The table must outlive this object. False where
  /// one is not known.
  bool read(std::string_view* table);

  /// The first word at or behind `at`, which is below the text's size; one without a byte: what
  /// there was up to its end is removed. The next begins at its end.
  Word next(std::string_view text, size_t at, Ends& ends) const;

 private:
  struct Step {
    WordRule rule;
    Parted parted;
    std::string_view text;
  };
  static bool read_step(std::string_view text, Step* step);
  static size_t parted_bytes(const Step& step, std::string_view text, size_t at);
  static size_t rest_end(const Step& step, std::string_view text, size_t at);
  static Word part(const Step& step, std::string_view text, size_t at);

  std::vector<Step> steps_;
};

}  // namespace heed
