#include "tests/fuzz/wire_mutator.h"

#include <algorithm>
#include <iterator>

namespace heed::test {
namespace {

constexpr uint64_t kTelling[] = {0,   1,          2,     3,         7,          8,         10,
                                 16,  64,         127,   255,       1u << 16,   1u << 24,  1u << 31,
                                 ~0u, 1ull << 40, ~0ull, ~0ull - 1, 1ull << 62, 1ull << 63};
constexpr int kDepthMax = 8;

size_t below(SeededRandom& random, size_t count) {
  return static_cast<size_t>(random.integer(0, static_cast<int64_t>(count) - 1));
}

/// One field: a varint, four or eight bytes, or a length with bytes, which may be a message.
struct Field {
  uint64_t key = 0;
  uint64_t varint = 0;
  FuzzBytes bytes;            // of a field that is no message
  std::vector<Field> fields;  // of one that is
  bool message = false;
};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return false;
      const uint8_t byte = bytes_[at_++];
      *value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }
  bool take(uint64_t count, std::span<const uint8_t>* out) {
    if (count > bytes_.size() - at_) return false;
    *out = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return true;
  }
  bool end() const { return at_ == bytes_.size(); }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

bool parse(std::span<const uint8_t> bytes, int depth, std::vector<Field>* fields) {
  Reader reader(bytes);
  while (!reader.end()) {
    Field field;
    std::span<const uint8_t> piece;
    if (!reader.varint(&field.key) || field.key >> 3 == 0 || field.key >> 3 > 1000) return false;
    const uint64_t kind = field.key & 7;
    if (kind == 0) {
      if (!reader.varint(&field.varint)) return false;
    } else if (kind == 2) {
      if (!reader.varint(&field.varint) || !reader.take(field.varint, &piece)) return false;
      field.message = depth < kDepthMax && !piece.empty() && parse(piece, depth + 1, &field.fields);
      if (!field.message) field.bytes.assign(piece.begin(), piece.end());
    } else if (kind == 1 || kind == 5) {
      if (!reader.take(kind == 1 ? 8 : 4, &piece)) return false;
      field.bytes.assign(piece.begin(), piece.end());
    } else {
      return false;
    }
    fields->push_back(std::move(field));
  }
  return true;
}

void put_varint(FuzzBytes& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
  out.push_back(static_cast<uint8_t>(value));
}

void write(const std::vector<Field>& fields, FuzzBytes& out) {
  for (const Field& field : fields) {
    put_varint(out, field.key);
    const uint64_t kind = field.key & 7;
    if (kind == 0) {
      put_varint(out, field.varint);
      continue;
    }
    FuzzBytes inner = field.bytes;
    if (field.message) write(field.fields, inner);
    if (kind == 2) put_varint(out, inner.size());
    out.insert(out.end(), inner.begin(), inner.end());
  }
}

/// Every list of fields, the outermost first.
void lists_of(std::vector<Field>& fields, std::vector<std::vector<Field>*>& lists) {
  lists.push_back(&fields);
  for (Field& field : fields)
    if (field.message) lists_of(field.fields, lists);
}

using Words = std::vector<std::string>;

/// Of a field that is one of the words, another.
bool change_word(Field& field, const Words& words, SeededRandom& random) {
  const std::string now(field.bytes.begin(), field.bytes.end());
  if (std::find(words.begin(), words.end(), now) == words.end()) return false;
  field.bytes = to_bytes(words[below(random, words.size())]);
  return true;
}

/// One of all the words below a list of fields.
void change_any_word(std::vector<Field>& fields, const Words& words, SeededRandom& random) {
  std::vector<std::vector<Field>*> lists;
  lists_of(fields, lists);
  const size_t first = below(random, lists.size());
  for (size_t i = 0; i < lists.size(); ++i)
    for (Field& field : *lists[(first + i) % lists.size()])
      if (!field.message && change_word(field, words, random)) return;
}

void change_value(Field& field, SeededRandom& random) {
  if ((field.key & 7) == 0) {
    field.varint = random.integer(0, 1) == 0
                       ? kTelling[below(random, std::size(kTelling))]
                       : field.varint + static_cast<uint64_t>(random.integer(-2, 2));
  } else if (!field.message) {
    const bool fixed = (field.key & 7) != 2;
    const size_t size = field.bytes.size();
    mutate_bytes(field.bytes, random);
    if (fixed) field.bytes.resize(size);
  }
}

void change(std::vector<Field>& list, const std::vector<Field>& donors, SeededRandom& random) {
  if (list.empty()) return;
  const size_t at = below(random, list.size());
  switch (random.integer(0, 7)) {
    case 0:
      list.erase(list.begin() + static_cast<ptrdiff_t>(at));
      break;
    case 1:
      list.push_back(Field(list[at]));
      break;
    case 2:
      std::swap(list[at], list[below(random, list.size())]);
      break;
    case 3:
      list[at].key ^= static_cast<uint64_t>(random.integer(1, 15)) << 3;
      break;
    case 4:
      if (!donors.empty()) list[at] = Field(donors[below(random, donors.size())]);
      break;
    default:
      change_value(list[at], random);
  }
}

}  // namespace

bool mutate_wire(FuzzBytes& bytes, SeededRandom& random, const Words& words) {
  std::vector<Field> fields;
  if (bytes.empty() || !parse(bytes, 0, &fields)) return false;
  if (!words.empty() && random.integer(0, 2) == 0) {
    change_any_word(fields, words, random);
    bytes.clear();
    write(fields, bytes);
    return true;
  }
  for (int64_t i = random.integer(1, 3); i > 0; --i) {
    std::vector<std::vector<Field>*> lists;
    lists_of(fields, lists);
    const std::vector<Field> donors = *lists[below(random, lists.size())];
    change(*lists[below(random, lists.size())], donors, random);
  }
  bytes.clear();
  write(fields, bytes);
  return true;
}

}  // namespace heed::test
