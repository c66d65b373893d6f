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
  if (scores_ == nullptr || !normalizer_.read({pieces_ + end, table.pieces()->size() - end})) {
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

/// Each space begins a word; where white space parts words, it does not count for itself.
void Tokenizer::encode_unigram(std::string_view text, Out& out) {
  size_t bytes = 0;
  bool first_of_word = true;
  const auto end_word = [&] {
    if (bytes > 0) choose_pieces({word_.data(), bytes}, true, out);
    bytes = 0;
    after_unknown_ = false;
  };
  normalizer_.begin(text);
  for (std::string_view part; !out.full() && normalizer_.next(&part);) {
    for (size_t i = 0; i < part.size();) {
      const size_t first = i;
      const uint32_t code = next_code(part, &i);
      const bool parts = normalizer_.white_space_parts() && is_space(code);
      const bool space = code == ' ' || code == kSpaceMarkCode;
      if (parts || space) end_word();
      while (bytes + (i - first) > kWordMax) {
        const size_t done = choose_pieces({word_.data(), bytes}, false, out);
        std::copy(word_.begin() + static_cast<ptrdiff_t>(done),
                  word_.begin() + static_cast<ptrdiff_t>(bytes), word_.begin());
        bytes -= done;
      }
      if (!parts && (space || (first_of_word && space_before_))) word_[bytes++] = ' ';
      first_of_word = parts;
      if (parts || space) continue;
      std::copy_n(part.data() + first, i - first, word_.data() + bytes);
      bytes += i - first;
    }
  }
  end_word();
}

/// symbols_[e - 1], starts_[e]: the last piece of the best way to byte e, and where it begins.
void Tokenizer::find_best_ways(std::string_view word) {
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
}

/// The bytes to where all ways are one that end less than a piece before the end: whatever follows,
/// one of these goes on. Where that is not even half of them, all.
size_t Tokenizer::settled_bytes(size_t bytes) const {
  size_t settled = bytes;
  for (size_t end = bytes; end > 0 && bytes - end < longest_; --end) {
    if (best_[end] == kNowhere) continue;
    for (size_t other = end; other != settled;)
      (other > settled ? other : settled) = starts_[std::max(other, settled)];
  }
  return settled < bytes / 2 ? bytes : settled;
}

/// The pieces of the best way; how many bytes they stand for: where the word goes on, as many as
/// are settled.
size_t Tokenizer::choose_pieces(std::string_view word, bool ends, Out& out) {
  find_best_ways(word);
  const size_t settled = ends ? word.size() : settled_bytes(word.size());
  // Backwards along the best way; its ends are kept where the starts of ways no longer taken were.
  size_t count = 0;
  for (size_t end = settled; end > 0; ++count) {
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
      after_unknown_ = false;
    } else {
      unknown += end - begin;
    }
    begin = end;
  }
  put_unknown(word.substr(begin - unknown, unknown), out);
  after_unknown_ = after_unknown_ || unknown > 0;
  return settled;
}

/// One unknown token for all neighbours, or their bytes.
void Tokenizer::put_unknown(std::string_view characters, Out& out) {
  if (characters.empty()) return;
  if (byte_first_ < 0 && after_unknown_) return;
  if (byte_first_ < 0) return out.put(unknown_);
  for (const char c : characters) out.put(byte_first_ + static_cast<uint8_t>(c));
}

}  // namespace heed
