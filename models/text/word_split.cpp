#include "models/text/word_split.h"

#include <cstring>

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

size_t llama3_end(std::string_view text, size_t at, size_t numbers) {
  if (const size_t length = contraction(text.substr(at), true); length > 0) return at + length;
  size_t end = at, after = at, last = at;
  const CodeClass kind = class_at(text, at, &end);
  if (kind == CodeClass::letter) return run_end(text, at, kind, &last);
  if (kind == CodeClass::number) return run_end(text, at, kind, &last, numbers);
  const CodeClass next = end < text.size() ? class_at(text, end, &after) : CodeClass::space;
  if (next == CodeClass::letter && !ends_line(text[at])) return run_end(text, end, next, &last);
  if (kind == CodeClass::other || (text[at] == ' ' && next == CodeClass::other)) {
    end = run_end(text, kind == CodeClass::other ? at : end, CodeClass::other, &last);
    while (end < text.size() && ends_line(text[end])) ++end;
    return end;
  }
  end = run_end(text, at, CodeClass::space, &last);
  for (size_t i = end; i > at; --i)
    if (ends_line(text[i - 1])) return i;
  return spaces_end(text, at);
}

}  // namespace

size_t word_end(WordRule rule, std::string_view text, size_t at) {
  if (rule == WordRule::gpt2) return gpt2_end(text, at);
  return llama3_end(text, at, rule == WordRule::llama3 ? 3 : 1);
}

}  // namespace heed
