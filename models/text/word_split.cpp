#include "models/text/word_split.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "models/text/unicode.h"

namespace heed {
namespace {

/// "'s", "'ll", ..: its length, or 0.
size_t contraction(std::string_view text, bool any_case) {
  if (text.empty() || text[0] != '\'') return 0;
  for (const char* end : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    const size_t length = std::strlen(end);
    if (text.size() < 1 + length) continue;
    bool same = true;
    for (size_t i = 0; i < length; ++i) {
      const char c = text[i + 1];
      const bool upper = any_case && c >= 'A' && c <= 'Z';
      same = same && (upper ? static_cast<char>(c + ('a' - 'A')) : c) == end[i];
    }
    if (same) return 1 + length;
  }
  return 0;
}

enum class CodeClass { letter, number, space, other };

CodeClass class_at(std::string_view text, size_t at, size_t* end) {
  *end = at;
  const uint32_t code = next_code(text, end);
  if (is_letter(code)) return CodeClass::letter;
  if (is_number(code)) return CodeClass::number;
  return is_space(code) ? CodeClass::space : CodeClass::other;
}

/// Where a run of one class that begins at `at` ends, after `most` characters at the latest; *last:
/// where its last character begins.
size_t run_end(std::string_view text, size_t at, CodeClass wanted, size_t* last,
               size_t most = SIZE_MAX) {
  for (size_t end = at; at < text.size() && most > 0; at = end, --most) {
    if (class_at(text, at, &end) != wanted) break;
    *last = at;
  }
  return at;
}

bool ends_line(char c) { return c == '\r' || c == '\n'; }

/// Spaces from `at` on, without the last where a word follows that it belongs to.
size_t spaces_end(std::string_view text, size_t at) {
  size_t last = at;
  const size_t end = run_end(text, at, CodeClass::space, &last);
  return end < text.size() && last > at ? last : end;
}

size_t gpt2_end(std::string_view text, size_t at) {
  if (const size_t length = contraction(text.substr(at), false); length > 0) return at + length;
  size_t end = at, last = at;
  CodeClass kind = class_at(text, at, &end);
  size_t first = at;
  if (text[at] == ' ' && end < text.size()) {
    size_t after = end;
    const CodeClass next = class_at(text, end, &after);
    if (next != CodeClass::space) {
      kind = next;
      first = end;
    }
  }
  if (kind == CodeClass::space) return spaces_end(text, at);
  return run_end(text, first, kind, &last);
}

/// Numbers, ` ?others` and the characters of `behind`, spaces: what follows the letters in the
/// rules.
size_t rest_of_rule_end(std::string_view text, size_t at, size_t numbers, std::string_view behind) {
  size_t end = at, after = at, last = at;
  const CodeClass kind = class_at(text, at, &end);
  if (kind == CodeClass::number) return run_end(text, at, kind, &last, numbers);
  const CodeClass next = end < text.size() ? class_at(text, end, &after) : CodeClass::space;
  if (kind == CodeClass::other || (text[at] == ' ' && next == CodeClass::other)) {
    end = run_end(text, kind == CodeClass::other ? at : end, CodeClass::other, &last);
    while (end < text.size() && behind.find(text[end]) != std::string_view::npos) ++end;
    return end;
  }
  end = run_end(text, at, CodeClass::space, &last);
  for (size_t i = end; i > at; --i)
    if (ends_line(text[i - 1])) return i;
  return spaces_end(text, at);
}

/// Where the letters of a word begin that begins at `at`, behind one character that is neither
/// letter nor number nor ends a line.
size_t letters_begin(std::string_view text, size_t at) {
  size_t end = at;
  const CodeClass kind = class_at(text, at, &end);
  const bool leads = kind == CodeClass::other || (kind == CodeClass::space && !ends_line(text[at]));
  return leads ? end : at;
}

size_t llama3_end(std::string_view text, size_t at, size_t numbers) {
  if (const size_t length = contraction(text.substr(at), true); length > 0) return at + length;
  size_t last = at;
  const size_t begin = letters_begin(text, at);
  const size_t end = run_end(text, begin, CodeClass::letter, &last);
  return end > begin ? end : rest_of_rule_end(text, at, numbers, "\r\n");
}

/// A character as a word of capitals, then small letters sees it.
struct Cases {
  bool leading, trailing;  // may stand among the capitals, among the small letters

  static Cases at(std::string_view text, size_t at, size_t* end) {
    *end = at;
    const uint32_t code = next_code(text, end);
    const bool capital = is_capital(code), small = !capital && is_small(code);
    const bool both = !capital && !small && (is_letter(code) || is_any_mark(code));
    return {capital || both, small || both};
  }
};

/// [leading]*[trailing]+, or, without a trailing one, [leading]+, from `at` on; *trails: whether it
/// has one. `at`: neither.
size_t cased_end(std::string_view text, size_t at, bool* trails) {
  size_t end = at, after = at, pivot = at;  // pivot: behind the last that may stand in either part
  for (; end < text.size(); end = after) {
    const Cases c = Cases::at(text, end, &after);
    if (!c.leading) break;
    if (c.trailing) pivot = after;
  }
  const size_t leading = end;
  for (; end < text.size() && Cases::at(text, end, &after).trailing; end = after) continue;
  *trails = end > leading || pivot > at;
  return end > leading ? end : pivot > at ? pivot : leading;
}

size_t o200k_end(std::string_view text, size_t at, bool tekken) {
  const size_t inner = letters_begin(text, at);
  const size_t begins[] = {inner, at};  // a mark may lead, or be a letter
  size_t end = at;
  bool found = false, trails = false;
  for (const bool trailing : {true, false}) {
    for (const size_t begin : begins) {
      if (found) break;
      end = cased_end(text, begin, &trails);
      found = end > begin && trails == trailing;
    }
  }
  if (!found) return rest_of_rule_end(text, at, tekken ? 1 : 3, "\r\n/");
  return tekken ? end : end + contraction(text.substr(end), true);
}

constexpr const char* kRuleNames[] = {"gpt2",   "llama3",  "qwen2",       "o200k",
                                      "tekken", "numbers", "punctuation", "text"};
constexpr const char* kPartedNames[] = {"removed", "isolated", "contiguous", "merged_with_previous",
                                        "merged_with_next"};

/// Takes a word off the beginning of *text; its place in the list, or the list's size.
template <size_t Count>
size_t take_name(std::string_view* text, const char* const (&names)[Count]) {
  const size_t end = std::min(text->find(' '), text->size());
  const std::string_view name = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return static_cast<size_t>(std::find(names, names + Count, name) - names);
}

}  // namespace

bool WordSplit::read(std::string_view* table) {
  steps_.clear();
  for (;;) {
    const size_t end = table->find('\0');
    if (end == std::string_view::npos) return false;
    const std::string_view text = table->substr(0, end);
    table->remove_prefix(end + 1);
    if (text.empty()) return true;
    if (steps_.size() == kStepsMax || !read_step(text, &steps_.emplace_back())) return false;
  }
}

bool WordSplit::read_step(std::string_view text, Step* step) {
  const size_t rule = take_name(&text, kRuleNames);
  if (rule == std::size(kRuleNames)) return false;
  step->rule = static_cast<WordRule>(rule);
  step->parted = Parted::isolated;
  if (step->rule < WordRule::numbers) return text.empty();
  const size_t parted = take_name(&text, kPartedNames);
  if (parted == std::size(kPartedNames)) return false;
  step->parted = static_cast<Parted>(parted);
  step->text = text;
  return text.empty() == (step->rule != WordRule::text);
}

/// Bytes at `at` that a step parts; 0: none.
size_t WordSplit::parted_bytes(const Step& step, std::string_view text, size_t at) {
  if (step.rule == WordRule::text)
    return text.compare(at, step.text.size(), step.text) == 0 ? step.text.size() : 0;
  size_t end = at;
  const uint32_t code = next_code(text, &end);
  const bool parts = step.rule == WordRule::numbers ? is_number(code) : is_punctuation(code);
  return parts ? end - at : 0;
}

/// Where the next begins that a step parts, from `at` on.
size_t WordSplit::rest_end(const Step& step, std::string_view text, size_t at) {
  if (step.rule == WordRule::text) return std::min(text.find(step.text, at), text.size());
  while (at < text.size() && parted_bytes(step, text, at) == 0) next_code(text, &at);
  return at;
}

WordSplit::Word WordSplit::part(const Step& step, std::string_view text, size_t at) {
  switch (step.rule) {
    case WordRule::gpt2:
      return {at, gpt2_end(text, at)};
    case WordRule::llama3:
    case WordRule::qwen2:
      return {at, llama3_end(text, at, step.rule == WordRule::llama3 ? 3 : 1)};
    case WordRule::o200k:
    case WordRule::tekken:
      return {at, o200k_end(text, at, step.rule == WordRule::tekken)};
    default:
      break;
  }
  const auto parted = [&](size_t from) {
    return from < text.size() ? parted_bytes(step, text, from) : 0;
  };
  size_t begin = at, end = at + parted(at);
  const bool is_parted = end > at;
  switch (step.parted) {
    case Parted::isolated:
      break;
    case Parted::removed:
      while (const size_t bytes = parted(begin)) begin += bytes;
      return {begin, rest_end(step, text, begin)};
    case Parted::contiguous:
      while (const size_t bytes = is_parted ? parted(end) : 0) end += bytes;
      break;
    case Parted::merged_with_previous:  // of several in a row the first
      if (!is_parted) end = rest_end(step, text, at), end += parted(end);
      return {begin, end};
    case Parted::merged_with_next:  // the last
      if (is_parted && parted(end) == 0) end = rest_end(step, text, end);
      break;
  }
  return {begin, is_parted ? end : rest_end(step, text, at)};
}

WordSplit::Word WordSplit::next(std::string_view text, size_t at, Ends& ends) const {
  size_t limit = text.size();
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (ends[i] <= at) {
      const Word piece = part(steps_[i], text.substr(0, limit), at);
      at = piece.begin;
      ends[i] = piece.end;
      if (at == piece.end) return {at, at};
    }
    limit = ends[i];
  }
  return {at, limit};
}

}  // namespace heed
