// Words of byte-level tokenizers: what each step parts, steps behind one another, and tables that
// say what no step is. That the words are the tokenizers library's, the tests of converter show.

#include "models/text/word_split.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

using heed::WordRule;
using heed::WordSplit;

namespace {

/// A table of steps, as it lies in a file.
std::string table_of(const std::vector<std::string>& steps) {
  std::string table;
  for (const std::string& step : steps) table += step + '\0';
  return table + '\0';
}

/// The words, a bar behind each.
std::string words(const WordSplit& split, const std::string& text) {
  WordSplit::Ends ends{};
  std::string all;
  for (size_t at = 0; at < text.size();) {
    const WordSplit::Word word = split.next(text, at, ends);
    REQUIRE((word.begin >= at && word.end >= word.begin && word.end > at));
    if (word.end > word.begin) all += text.substr(word.begin, word.end - word.begin) + "|";
    at = word.end;
  }
  return all;
}

std::string words(const std::vector<std::string>& steps, const std::string& text) {
  WordSplit split;
  const std::string table = table_of(steps);
  std::string_view rest = table;
  REQUIRE(split.read(&rest));
  CHECK(rest.empty());
  return words(split, text);
}

}  // namespace

TEST_CASE("what a step parts is removed, stands alone, together, or joins a neighbour") {
  CHECK(words({"punctuation removed"}, "!a!!b c?") == "a|b c|");
  CHECK(words({"punctuation isolated"}, "!a!!b c?") == "!|a|!|!|b c|?|");
  CHECK(words({"punctuation contiguous"}, "!a!!b c?") == "!|a|!!|b c|?|");
  CHECK(words({"punctuation merged_with_previous"}, "!a!!b c?") == "!|a!|!|b c?|");
  CHECK(words({"punctuation merged_with_next"}, "!a!!b c?") == "!a|!|!b c|?|");
  CHECK(words({"text merged_with_next ab"}, "xabaabb") == "x|aba|abb|");
  CHECK(words({"text isolated  "}, "a  b") == "a| | |b|");  // of a space
  CHECK(words({"text removed aa"}, "aaaba") == "aba|");
  CHECK(words({"numbers isolated"}, "a12\u00b2b") == "a|1|2|\u00b2|b|");
  CHECK(words({"punctuation removed"}, "!?").empty());
}

TEST_CASE(
    "words of o200k have their capitals first; tekken's have no endings, and single numbers") {
  const std::string text = "HTTPServer's iPhone ABC 1234 x/\n/y";
  CHECK(words({"o200k"}, text) == "HTTPServer's| i|Phone| ABC| |123|4| x|/\n/|y|");
  CHECK(words({"tekken"}, text) == "HTTPServer|'s| i|Phone| ABC| |1|2|3|4| x|/\n/|y|");
  CHECK(words({"o200k"}, "A\u0301b \u4f60X\u597d") == "A\u0301b| \u4f60X\u597d|");
  CHECK(words({"o200k"}, "\u4f60XY") == "\u4f60|XY|");  // back to the last that ends a word
}

TEST_CASE("each step parts the pieces of the one before it, and sees no further") {
  CHECK(words({"numbers isolated", "gpt2"}, "a  1 22") == "a|  |1| |2|2|");
  CHECK(words({"gpt2"}, "a  1 22") == "a| | 1| 22|");
  CHECK(words({"punctuation contiguous", "numbers removed", "text merged_with_previous b"},
              "1ab2?!3bb1b.") == "ab|?!|b|b|b|.|");
  CHECK(words(std::vector<std::string>{}, "all of it!") == "all of it!|");
}

TEST_CASE("a table with a step that is none, or without an end, is refused") {
  const auto reads = [](const std::string& table) {
    WordSplit split;
    std::string_view rest = table;
    return split.read(&rest);
  };
  CHECK(reads(table_of({"qwen2", "tekken"})));
  for (const char* step : {"gpt3", "gpt2 isolated", "gpt2 ", "numbers", "numbers sideways",
                           "numbers isolated 1", "text isolated", "text isolated ", " gpt2"}) {
    INFO(step);
    // A space behind a name is nothing, but for a text.
    CHECK(reads(table_of({step})) == (std::string(step) == "gpt2 "));
  }
  CHECK(reads(table_of(std::vector<std::string>(WordSplit::kStepsMax, "gpt2"))));
  CHECK_FALSE(reads(table_of(std::vector<std::string>(WordSplit::kStepsMax + 1, "gpt2"))));
  CHECK_FALSE(reads(""));
  CHECK_FALSE(reads("gpt2"));
  CHECK_FALSE(reads(std::string("gpt2\0", 5)));
}
