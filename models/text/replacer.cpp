#include "models/text/replacer.h"

#include "models/text/table_word.h"
#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr size_t kHeadNumbers = 3;  // numbers
constexpr size_t kWordBytesMax = 64;

}  // namespace

uint32_t Replacer::number(size_t i) const { return table_word(numbers_.data(), i); }

std::string_view Replacer::text_at(size_t first) const { return table_text(texts_, first); }

bool Replacer::read(std::span<const uint8_t> table) {
  words_ = characters_ = 0;
  if (table.size() < 4 * kHeadNumbers) return false;
  numbers_ = table;
  hangul_ = number(0) != 0;
  const uint64_t numbers = kHeadNumbers + 2 * (uint64_t{number(1)} + number(2));
  if (4 * numbers >= table.size() || table.back() != 0) return false;
  texts_ = table.subspan(static_cast<size_t>(4 * numbers));
  for (size_t i = kHeadNumbers; i < numbers; ++i) {
    const bool code = i >= kHeadNumbers + 2 * size_t{number(1)} && (i - kHeadNumbers) % 2 == 0;
    if (!code && number(i) >= texts_.size()) return false;
  }
  for (size_t i = 0; i < number(1); ++i) {
    const size_t bytes = text_at(number(kHeadNumbers + 2 * i)).size();
    if (bytes == 0 || bytes > kWordBytesMax) return false;
  }
  words_ = number(1);
  characters_ = number(2);
  return true;
}

std::string_view Replacer::next(std::string_view text, size_t* at, char* made) const {
  for (size_t i = 0; i < words_; ++i) {
    const std::string_view from = text_at(number(kHeadNumbers + 2 * i));
    if (text.substr(*at, from.size()) != from) continue;
    *at += from.size();
    return text_at(number(kHeadNumbers + 2 * i + 1));
  }
  const size_t first = *at;
  const uint32_t code = next_code(text, at);
  size_t low = 0, high = characters_;
  const auto entry = [&](size_t i) { return kHeadNumbers + 2 * (words_ + i); };
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (number(entry(middle)) < code)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < characters_ && number(entry(low)) == code) return text_at(number(entry(low) + 1));
  uint32_t parts[kHangulMax];
  const size_t count = hangul_ ? take_hangul_apart(code, parts) : 0;
  if (count == 0) return text.substr(first, *at - first);
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) bytes += put_code(parts[i], made + bytes);
  return {made, bytes};
}

}  // namespace heed
