// Unigram: a word as the pieces whose scores sum up highest, found from left to right.

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/model.h"
#include "models/text/tokenizer.h"
#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr double kUnknownPenalty = 10.0;  // below the worst piece
constexpr double kNowhere = -std::numeric_limits<double>::infinity();
constexpr uint32_t kSpaceMarkCode = 0x2581;

}  // namespace

bool Tokenizer::read_unigram(const void* given, std::string* error) {
  const fb::Tokenizer& table = *static_cast<const fb::Tokenizer*>(given);
  kind_ = Kind::unigram;
  const size_t end = count_ == 0 ? 0 : ends_[count_ - 1];
  if (scores_ == nullptr || !charsmap_.read({pieces_ + end, table.pieces()->size() - end})) {
    *error = "the model's tokenizer is damaged";
    return false;
  }
  double least = 0;
  for (size_t i = 0; i < count_; ++i) {
    if (!std::isfinite(scores_[i])) {
      *error = "the model's tokenizer has a piece whose score is no number";
      return false;
    }
    least = std::min(least, static_cast<double>(scores_[i]));
  }
  unknown_score_ = least - kUnknownPenalty;
  best_.resize(kWordMax + 1);
  return true;
}

/// Words between spaces, each with one space before it.
void Tokenizer::encode_unigram(std::string_view text, Out& out) {
  size_t bytes = 0;
  const auto end_word = [&] {
    if (bytes > 0) choose_pieces({word_.data(), bytes}, out);
    bytes = 0;
  };
  for (size_t at = 0; at < text.size() && !out.full();) {
    const std::string_view to = charsmap_.next(text, at, &at);
    for (size_t i = 0; i < to.size();) {
      const size_t first = i;
      const uint32_t code = next_code(to, &i);
      if (is_space(code) || code == kSpaceMarkCode) {
        end_word();
        continue;
      }
      if (bytes + (i - first) > kWordMax) end_word();
      if (bytes == 0 && space_before_) word_[bytes++] = ' ';
      std::copy_n(to.data() + first, i - first, word_.data() + bytes);
      bytes += i - first;
    }
  }
  end_word();
}

void Tokenizer::choose_pieces(std::string_view word, Out& out) {
  // symbols_[e - 1], starts_[e]: the last piece of the best way to byte e, and where it begins.
  std::fill_n(best_.begin(), word.size() + 1, kNowhere);
  best_[0] = 0;
  for (size_t at = 0; at < word.size();) {
    size_t next = at;
    next_code(word, &next);
    const auto offer = [&](size_t end, int32_t id, double score) {
      if (best_[at] + score <= best_[end]) return;
      best_[end] = best_[at] + score;
      symbols_[end - 1] = id;
      starts_[end] = static_cast<uint32_t>(at);
    };
    bool alone = false;
    for (size_t end = next; end - at <= longest_;) {
      const int32_t id = find(word.substr(at, end - at));
      if (id >= 0) {
        offer(end, id, static_cast<double>(scores_[id]));
        alone = alone || end == next;
      }
      if (end == word.size()) break;
      next_code(word, &end);
    }
    if (!alone) offer(next, -1, unknown_score_);
    at = next;
  }
  // Backwards along the best way; its ends are kept where the starts of ways no longer taken were.
  size_t count = 0;
  for (size_t end = word.size(); end > 0; ++count) {
    const size_t begin = starts_[end];
    best_[count] = static_cast<double>(end);
    end = begin;
  }
  size_t begin = 0, unknown = 0;  // unknown: bytes of neighbours that no piece stands for
  while (count > 0) {
    const auto end = static_cast<size_t>(best_[--count]);
    const int32_t id = symbols_[end - 1];
    if (id >= 0) {
      put_unknown(word.substr(begin - unknown, unknown), out);
      out.put(id);
      unknown = 0;
    } else {
      unknown += end - begin;
    }
    begin = end;
  }
  put_unknown(word.substr(begin - unknown, unknown), out);
}

/// One unknown token for all neighbours, or their bytes.
void Tokenizer::put_unknown(std::string_view characters, Out& out) {
  if (characters.empty()) return;
  if (byte_first_ < 0) return out.put(unknown_);
  for (const char c : characters) out.put(byte_first_ + static_cast<uint8_t>(c));
}

}  // namespace heed
