#include "models/text/tokenizer.h"

#include <algorithm>
#include <cstring>

#include "engine/model.h"
#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr size_t kWordCodesMax = 100;  // of a word that wordpiece cuts; longer ones are unknown

uint32_t hash_bytes(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash ^ hash >> 15;
}

uint32_t hash_pair(int32_t left, int32_t right) {
  uint64_t key =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  key *= 0x9e3779b97f4a7c15u;
  return static_cast<uint32_t>(key >> 32);
}

/// A power of two, at most half of it used.
size_t slots_for(size_t entries) {
  size_t slots = 16;
  while (slots < 2 * entries) slots *= 2;
  return slots;
}

std::vector<int32_t> ids_of(const flatbuffers::Vector<int32_t>* ids) {
  return ids == nullptr ? std::vector<int32_t>() : std::vector<int32_t>(ids->begin(), ids->end());
}

/// Bytes of a space at text[at], or of U+2581, which means one; 0: there is none.
size_t space_at(std::string_view text, size_t at) {
  if (text[at] == ' ') return 1;
  return text.compare(at, 3, "\xe2\x96\x81") == 0 ? 3 : 0;
}

const fb::Tokenizer& table_of(const void* table) {
  return *static_cast<const fb::Tokenizer*>(table);
}

}  // namespace

bool Tokenizer::create(const heed_model& model, std::string* error) {
  const fb::Task* task = model_table(model).task();
  const fb::Tokenizer* table = task == nullptr ? nullptr : task->tokenizer();
  if (table == nullptr) {
    *error = "the model carries no tokenizer, so a text means nothing to it";
    return false;
  }
  if (!read_pieces(table, error) || !read_rules(table, error)) return false;
  index_pieces();
  index_merges();
  word_.resize(kWordMax + 8);
  symbols_.resize(kWordMax);
  starts_.resize(kWordMax + 1);
  if (kind_ == Kind::bpe || kind_ == Kind::byte_bpe) {
    previous_.resize(kWordMax);
    next_.resize(kWordMax);
    made_.resize(kWordMax);
    pairs_.create(kWordMax);
  }
  longest_ = 0;
  for (size_t i = 0; i < count_; ++i)
    longest_ = std::max(longest_, piece(static_cast<int32_t>(i)).size());
  key_.reserve(std::max(longest_, kWordMax + 8) + continuation_.size());
  return true;
}

bool Tokenizer::read_pieces(const void* given, std::string* error) {
  const fb::Tokenizer& table = table_of(given);
  *error = "the model's tokenizer is damaged";
  const auto* pieces = table.pieces();
  const auto* ends = table.piece_ends();
  if (pieces == nullptr || ends == nullptr || ends->size() > INT32_MAX / 4) return false;
  pieces_ = pieces->data();
  ends_ = ends->data();
  count_ = ends->size();
  for (size_t i = 0; i < count_; ++i)
    if (ends_[i] > pieces->size() || (i > 0 && ends_[i] < ends_[i - 1])) return false;
  const auto known = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < count_; };
  if (table.scores() != nullptr) {
    if (table.scores()->size() != count_) return false;
    scores_ = table.scores()->data();
  }
  if (table.merges() != nullptr) {
    merges_ = table.merges()->data();
    merge_count_ = table.merges()->size() / 3;
    for (size_t i = 0; i < 3 * merge_count_; ++i)
      if (!known(merges_[i])) return false;
  }
  before_ = ids_of(table.before());
  after_ = ids_of(table.after());
  special_ = ids_of(table.special());
  stop_ = ids_of(table.stop());
  std::sort(special_.begin(), special_.end());
  for (const auto* list : {&before_, &after_})
    if (!std::all_of(list->begin(), list->end(), known)) return false;
  byte_first_ = table.byte_first();
  unknown_ = table.unknown();
  pad_ = table.pad();
  return byte_first_ < INT32_MAX - 256 && (byte_first_ < 0 || known(byte_first_ + 255)) &&
         (unknown_ < 0 || known(unknown_));
}

bool Tokenizer::read_rules(const void* given, std::string* error) {
  const fb::Tokenizer& table = table_of(given);
  const std::string kind = table.kind() == nullptr ? "" : table.kind()->str();
  lower_case_ = table.lower_case();
  space_before_ = table.space_before();
  continuation_ = table.continuation() == nullptr ? "" : table.continuation()->str();
  if (kind == "wordpiece") {
    kind_ = Kind::wordpiece;
  } else if (kind == "bpe" || kind == "metaspace_bpe") {
    kind_ = Kind::bpe;
    one_space_before_ = kind != "bpe";
  } else if (kind == "byte_bpe" || kind == "llama3_bpe" || kind == "qwen2_bpe" ||
             kind == "split_bpe") {
    return read_bytes(given, kind);
  } else if (kind == "unigram") {
    return read_unigram(given, error);
  } else {
    *error = "the model's tokenizer is of kind '" + kind + "', which this program does not know";
    return false;
  }
  return true;
}

/// Behind the pieces: of split_bpe whether words that are pieces stay whole, and the steps; then
/// what composes characters.
bool Tokenizer::read_bytes(const void* given, const std::string& kind) {
  kind_ = Kind::byte_bpe;
  const fb::Tokenizer& table = table_of(given);
  const size_t end = count_ == 0 ? 0 : ends_[count_ - 1];
  std::string_view rest(reinterpret_cast<const char*>(pieces_) + end, table.pieces()->size() - end);
  whole_words_ = kind == "llama3_bpe";
  if (kind == "split_bpe") {
    if (rest.empty() || (rest[0] != '\0' && rest[0] != '\1')) return false;
    whole_words_ = rest[0] == 1;
    rest.remove_prefix(1);
    if (!words_.read(&rest)) return false;
  } else {
    words_ = WordSplit(kind == "byte_bpe"    ? WordRule::gpt2
                       : kind == "qwen2_bpe" ? WordRule::qwen2
                                             : WordRule::llama3);
  }
  if (!composer_.read({reinterpret_cast<const uint8_t*>(rest.data()), rest.size()})) return false;
  if (composer_.any()) window_.resize(kWindow);
  return true;
}

std::string_view Tokenizer::piece(int32_t token) const {
  const auto i = static_cast<size_t>(token);
  const uint32_t begin = i == 0 ? 0 : ends_[i - 1];
  return {reinterpret_cast<const char*>(pieces_) + begin, ends_[i] - begin};
}

/// Pieces that a text may become: none that is special, none that stands for a byte.
void Tokenizer::index_pieces() {
  piece_slots_.assign(slots_for(count_), -1);
  const size_t mask = piece_slots_.size() - 1;
  for (size_t i = 0; i < count_; ++i) {
    const auto id = static_cast<int32_t>(i);
    if (std::binary_search(special_.begin(), special_.end(), id)) continue;
    if (byte_first_ >= 0 && id >= byte_first_ && id < byte_first_ + 256) continue;
    size_t slot = hash_bytes(piece(id)) & mask;
    while (piece_slots_[slot] >= 0 && piece(piece_slots_[slot]) != piece(id))
      slot = (slot + 1) & mask;
    if (piece_slots_[slot] < 0) piece_slots_[slot] = id;
  }
}

void Tokenizer::index_merges() {
  merge_slots_.assign(slots_for(merge_count_), -1);
  const size_t mask = merge_slots_.size() - 1;
  for (size_t i = 0; i < merge_count_; ++i) {
    size_t slot = hash_pair(merges_[3 * i], merges_[3 * i + 1]) & mask;
    while (merge_slots_[slot] >= 0) slot = (slot + 1) & mask;
    merge_slots_[slot] = static_cast<int32_t>(i);
  }
}

int32_t Tokenizer::find(std::string_view text) const {
  const size_t mask = piece_slots_.size() - 1;
  for (size_t slot = hash_bytes(text) & mask; piece_slots_[slot] >= 0; slot = (slot + 1) & mask)
    if (piece(piece_slots_[slot]) == text) return piece_slots_[slot];
  return -1;
}

/// The token that two neighbours make, -1: none; and how much it is wanted. A file without merges
/// and scores joins nothing: a list of merges that was empty.
int32_t Tokenizer::joined(int32_t left, int32_t right, std::string_view text, float* score) const {
  if (merges_ == nullptr) {
    const int32_t id = scores_ == nullptr ? -1 : find(text);
    if (id >= 0) *score = scores_[id];
    return id;
  }
  const size_t mask = merge_slots_.size() - 1;
  for (size_t slot = hash_pair(left, right) & mask; merge_slots_[slot] >= 0;
       slot = (slot + 1) & mask) {
    const int32_t merge = merge_slots_[slot];
    const int32_t* m = merges_ + 3 * static_cast<size_t>(merge);
    if (m[0] != left || m[1] != right) continue;
    *score = -static_cast<float>(merge);
    return m[2];
  }
  return -1;
}

size_t Tokenizer::encode(std::string_view text, int32_t* ids, size_t most) {
  Out out{ids, most};
  if (kind_ == Kind::wordpiece)
    encode_words(text, out);
  else if (kind_ == Kind::bpe)
    encode_spaced(text, out);
  else if (kind_ == Kind::unigram)
    encode_unigram(text, out);
  else if (composer_.any())
    encode_composed(text, out);
  else
    encode_bytes(text, out);
  return out.count;
}

size_t Tokenizer::encode_whole(std::string_view text, int32_t* ids, size_t most) {
  if (most < before_.size() + after_.size()) return 0;
  std::copy(before_.begin(), before_.end(), ids);
  size_t count = before_.size();
  count += encode(text, ids + count, most - count - after_.size());
  std::copy(after_.begin(), after_.end(), ids + count);
  return count + after_.size();
}

std::string_view Tokenizer::text_of(int32_t token, bool first) const {
  if (token < 0 || static_cast<size_t>(token) >= count_ ||
      std::binary_search(special_.begin(), special_.end(), token))
    return {};
  std::string_view text = piece(token);
  if (first && space_before_ && !text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

bool Tokenizer::stops(int32_t token) const {
  return std::find(stop_.begin(), stop_.end(), token) != stop_.end();
}

// --- wordpiece -----------------------------------------------------------------------------------

void Tokenizer::encode_words(std::string_view text, Out& out) {
  const auto add = [&](uint32_t code) {
    if (++word_codes_ <= kWordCodesMax) word_bytes_ += put_code(code, word_.data() + word_bytes_);
  };
  const auto alone = [&](uint32_t code) {
    end_word(out);
    add(code);
    end_word(out);
  };
  word_bytes_ = word_codes_ = 0;
  for (size_t at = 0; at < text.size() && !out.full();) {
    const uint32_t code = next_code(text, &at);
    if (code == 0 || code == 0xFFFD || code >= kBadByte || is_control(code)) continue;
    if (is_space(code)) {
      end_word(out);
      continue;
    }
    uint32_t parts[kFoldMax] = {code};
    const size_t count = lower_case_ ? fold(code, parts) : 1;
    for (size_t i = 0; i < count; ++i) {
      if (is_cjk(code) || is_punctuation(parts[i]))
        alone(parts[i]);
      else
        add(parts[i]);
    }
  }
  end_word(out);
}

/// The longest pieces from the start; a word with a part that none fits is unknown as a whole.
void Tokenizer::end_word(Out& out) {
  const std::string_view word(word_.data(), word_bytes_);
  const bool long_word = word_codes_ > kWordCodesMax;
  word_bytes_ = word_codes_ = 0;
  if (word.empty()) return;
  const size_t first = out.count;
  size_t begin = 0;
  while (begin < word.size() && !long_word) {
    size_t end = word.size();
    int32_t found = -1;
    for (; end > begin; --end) {
      key_.assign(begin == 0 ? "" : continuation_.c_str());
      key_.append(word.substr(begin, end - begin));
      if ((found = find(key_)) >= 0) break;
    }
    if (found < 0) break;
    out.put(found);
    begin = end;
  }
  if (begin == word.size()) return;
  out.count = first;
  out.put(unknown_);
}

// --- pairs ---------------------------------------------------------------------------------------

/// Words with the spaces before them: no piece reaches over the end of one.
void Tokenizer::encode_spaced(std::string_view text, Out& out) {
  if (text.empty()) return;
  size_t bytes = 0;
  bool spaces = true;  // the word so far
  if (space_before_ && !(one_space_before_ && space_at(text, 0) > 0)) word_[bytes++] = ' ';
  for (size_t at = 0; at < text.size() && !out.full();) {
    const size_t space = space_at(text, at);
    if (space > 0 && !spaces) {
      join_pairs({word_.data(), bytes}, true, out);
      bytes = 0;
      spaces = true;
    }
    spaces = spaces && space > 0;
    if (bytes + 4 > kWordMax) {
      const size_t done = join_pairs({word_.data(), bytes}, false, out);
      std::memmove(word_.data(), word_.data() + done, bytes -= done);
    }
    if (space > 0) {
      word_[bytes++] = ' ';
      at += space;
      continue;
    }
    const size_t first = at;
    next_code(text, &at);
    std::memcpy(word_.data() + bytes, text.data() + first, at - first);
    bytes += at - first;
  }
  join_pairs({word_.data(), bytes}, true, out);
}

/// The symbols that a word begins as; how many.
size_t Tokenizer::read_symbols(std::string_view word) {
  size_t count = 0;
  for (size_t at = 0; at < word.size(); ++count) {
    const size_t first = at;
    if (kind_ == Kind::byte_bpe)
      ++at;
    else
      next_code(word, &at);
    const int32_t id = find(word.substr(first, at - first));
    if (id < 0 && byte_first_ >= 0) at = first + 1;  // byte by byte
    starts_[count] = static_cast<uint32_t>(first);
    previous_[count] = static_cast<uint16_t>(count - (count > 0));
    next_[count] = static_cast<uint16_t>(count + 1);
    symbols_[count] =
        id >= 0 || byte_first_ < 0 ? id : byte_first_ + static_cast<uint8_t>(word[first]);
  }
  starts_[count] = static_cast<uint32_t>(word.size());
  return count;
}

/// How much a symbol and the next are wanted as one.
float Tokenizer::weigh_pair(std::string_view word, size_t left, size_t count) {
  const size_t right = next_[left];
  if (right == count) return Tournament::kOut;
  const size_t begin = starts_[left], end = starts_[next_[right]];
  float score = Tournament::kOut;
  made_[left] = joined(symbols_[left], symbols_[right], word.substr(begin, end - begin), &score);
  return score;
}

/// Joins the best pair of neighbours, the first of equals, until none is left, and puts out what
/// there is; how many bytes of the word that was. Where the word goes on, up to its middle: nothing
/// that comes half of kWordMax later moves an end there, unless each of the pairs between is wanted
/// more than the one before it.
size_t Tokenizer::join_pairs(std::string_view word, bool ends, Out& out) {
  if (word.empty()) return 0;
  const size_t count = read_symbols(word);
  pairs_.begin(count);
  for (size_t i = 0; i < count; ++i) pairs_.set(i, weigh_pair(word, i, count));
  pairs_.play();
  for (size_t left; pairs_.score(left = pairs_.best()) > Tournament::kOut;) {
    const size_t right = next_[left], after = next_[right], before = previous_[left];
    symbols_[left] = made_[left];
    next_[left] = static_cast<uint16_t>(after);
    if (after < count) previous_[after] = static_cast<uint16_t>(left);
    pairs_.change(right, Tournament::kOut);
    pairs_.change(left, weigh_pair(word, left, count));
    if (left > 0) pairs_.change(before, weigh_pair(word, before, count));
  }
  size_t done = 0;
  for (size_t i = 0; i < count && (ends || done < word.size() / 2); i = next_[i]) {
    out.put(symbols_[i] < 0 ? unknown_ : symbols_[i]);
    done = starts_[next_[i]];
  }
  return done;
}

/// A word, or as much as is at hand of one that goes on; how many bytes of it are done.
size_t Tokenizer::put_byte_word(std::string_view word, bool ends, Out& out) {
  if (whole_words_ && ends) {
    const int32_t whole = find(word);
    if (whole >= 0) return out.put(whole), word.size();
  }
  size_t done = 0;
  while (done < word.size() && !out.full()) {
    const std::string_view part = word.substr(done, kWordMax);
    const bool last = part.size() == word.size() - done;
    if (last && !ends) break;
    done += join_pairs(part, last, out);
  }
  return done;
}

void Tokenizer::encode_bytes(std::string_view text, Out& out) {
  WordSplit::Ends ends{};
  for (size_t at = 0; at < text.size() && !out.full();) {
    const WordSplit::Word word = words_.next(text, at, ends);
    put_byte_word(text.substr(word.begin, word.end - word.begin), true, out);
    at = word.end;
  }
}

/// The same of the composed text, of which as much is made at a time as tells where words end.
void Tokenizer::encode_composed(std::string_view text, Out& out) {
  WordSplit::Ends ends{};
  size_t at = 0, held = 0;
  while ((at < text.size() || held > 0) && !out.full()) {
    while (at < text.size() && held + Composer::kRunBytes <= kWindow)
      held += composer_.next(text, &at, window_.data() + held);
    const std::string_view window(window_.data(), held);
    const bool last = at == text.size();
    size_t done = 0;
    do {
      const WordSplit::Word word = words_.next(window, done, ends);
      const size_t bytes = word.end - word.begin;
      done = word.begin +
             put_byte_word(window.substr(word.begin, bytes), last || word.end < held, out);
    } while (done < held && !out.full() && (last || held - done > kWordMax));
    std::memmove(window_.data(), window_.data() + done, held - done);
    // A piece that ended with the window may go on behind it.
    for (size_t& end : ends) end = end < held ? end - std::min(end, done) : 0;
    held -= done;
  }
}

}  // namespace heed
