// The tokenizer of a .heed file: its tables read, texts told apart, tokens put together.

#include <algorithm>
#include <cstring>

#include "engine/heed.hpp"
#include "models/text/tokenizer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/heed_mutator.h"
#include "tests/support/tiny_models.h"

namespace heed::test {
namespace {

void run(std::span<const uint8_t> bytes) {
  const AlignedBytes aligned(std::as_bytes(bytes));
  heed_limits limits = heed_default_limits();
  limits.session_bytes = limits.tensor_bytes = 1 << 20;
  Model model;
  if (model.open(aligned.span(), nullptr, &limits) != Status::ok) return;
  Tokenizer tokenizer;
  std::string error;
  if (!tokenizer.create(*model.get(), &error)) {
    if (error.empty()) abort();
    return;
  }
  // Texts of every kind: words, none, unknown letters, no UTF-8, and the file itself.
  const std::string whole(bytes.begin(), bytes.end());
  int32_t ids[64];
  for (const std::string& text :
       {std::string("hello, un\xc3\xa4"
                    "ffable world! 12"),
        std::string(), std::string(3000, 'a'), std::string("\xff\xc0\x80\xe2\x96"),
        std::string("e\xcc\x81\xcc\xa3 \xc3\xa9"),
        std::string("I'LL  x\r\n\n (a)=1234 \xe2\x96\x81\xe2\x96\x81"), whole.substr(0, 500)}) {
    for (const size_t most : {size_t{0}, size_t{3}, std::size(ids)}) {
      const size_t count = std::min(tokenizer.encode(text, ids, most), most);
      for (size_t i = 0; i < count; ++i) (void)tokenizer.text_of(ids[i], i == 0);
      (void)tokenizer.encode_whole(text, ids, most);
    }
  }
  for (const int32_t odd : {-1, 0, INT32_MAX, INT32_MIN}) {
    (void)tokenizer.text_of(odd, true);
    (void)tokenizer.stops(odd);
  }
}

std::unique_ptr<fb::TokenizerT> tokenizer_of(const char* kind,
                                             const std::vector<std::string>& pieces) {
  auto made = std::make_unique<fb::TokenizerT>();
  made->kind = kind;
  for (const std::string& piece : pieces) {
    made->pieces.insert(made->pieces.end(), piece.begin(), piece.end());
    made->piece_ends.push_back(static_cast<uint32_t>(made->pieces.size()));
  }
  made->unknown = 0;
  made->before = {0};
  made->after = made->special = made->stop = {1};
  return made;
}

FuzzBytes file_with(std::unique_ptr<fb::TokenizerT> tokenizer) {
  TinyModel tiny = two_entry_model();
  tiny.model.task = std::make_unique<fb::TaskT>();
  tiny.model.task->kind = "text_classification";
  tiny.model.task->tokenizer = std::move(tokenizer);
  const AlignedBytes bytes = tiny.bytes();
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

void put_word(FuzzBytes* to, uint32_t word) {
  for (int shift = 0; shift < 32; shift += 8) to->push_back(static_cast<uint8_t>(word >> shift));
}

void put_bytes(FuzzBytes* to, const FuzzBytes& bytes) {
  to->insert(to->end(), bytes.begin(), bytes.end());
}

/// A charsmap of two units, "a" to "b".
FuzzBytes a_to_b() {
  std::vector<uint32_t> trie(100, 0);
  trie[0] = 2 << 10;                       // children of the root at 2
  trie[2 ^ 'a'] = 1 << 10 | 1 << 8 | 'a';  // a leaf, one unit from here
  trie[2 ^ 'a' ^ 1] = 0x80000000u;         // its value: the first replacement
  FuzzBytes bytes;
  put_word(&bytes, static_cast<uint32_t>(4 * trie.size()));
  for (const uint32_t unit : trie) put_word(&bytes, unit);
  put_bytes(&bytes, {'b', 0});
  return bytes;
}

/// "ll" to "l", "e" to "i", Hangul taken apart.
FuzzBytes replacements() {
  FuzzBytes bytes;
  for (const uint32_t word : {1u, 1u, 1u, 0u, 3u, uint32_t{'e'}, 5u}) put_word(&bytes, word);
  put_bytes(&bytes, {'l', 'l', 0, 'l', 0, 'i', 0});
  return bytes;
}

/// What composes one pair, and the classes of two accents.
FuzzBytes pair_and_accents() {
  FuzzBytes bytes;
  for (const uint32_t word :
       {1u, 1u, 2u, 0xE9u, 0x65u, 0x301u, 0u, 0xE6000301u, 0x301u, 0xDC000323u, 0x323u})
    put_word(&bytes, word);
  return bytes;
}

std::unique_ptr<fb::TokenizerT> unigram_of(const std::vector<std::string>& letters) {
  auto unigram = tokenizer_of("unigram", letters);
  for (size_t i = 0; i < letters.size(); ++i) unigram->scores.push_back(-static_cast<float>(i % 9));
  unigram->space_before = true;
  return unigram;
}

/// Every stage of models/text/normalizer.h.
std::unique_ptr<fb::TokenizerT> staged_unigram(const std::vector<std::string>& letters) {
  auto unigram = unigram_of(letters);
  FuzzBytes* to = &unigram->pieces;
  put_word(to, 1);
  put_word(to, 0);
  const auto put = [&](uint32_t kind, uint32_t option, const FuzzBytes& table = {}) {
    put_word(to, kind + (option << 8));
    put_word(to, static_cast<uint32_t>(table.size()));
    put_bytes(to, table);
  };
  put(2, 2);
  put(3, 0, replacements());
  put(1, 1);
  put(4, 0, pair_and_accents());
  put(5, 0, a_to_b());
  put(1, 2);
  put(2, 1);
  return unigram;
}

std::vector<FuzzBytes> seeds() {
  auto words = tokenizer_of("wordpiece", {"[UNK]", "[SEP]", "un", "##aff", "##able", "hello", ",",
                                          "world", "##a", "a", "1", "##2", "!"});
  words->lower_case = true;
  words->continuation = "##";
  std::vector<std::string> letters = {"<unk>", "</s>"};
  for (int byte = 0; byte < 256; ++byte) letters.emplace_back(1, static_cast<char>(byte));
  for (const char* more : {"he", "ll", "hell", "hello", " w", "or", " wor"})
    letters.emplace_back(more);
  auto scored = tokenizer_of("bpe", letters);
  for (size_t i = 0; i < letters.size(); ++i) scored->scores.push_back(-static_cast<float>(i));
  scored->byte_first = 2;
  scored->space_before = true;
  auto merged = tokenizer_of("byte_bpe", letters);
  merged->byte_first = 2;
  merged->merges = {2 + 'h', 2 + 'e', 258, 2 + 'l', 2 + 'l', 259, 258, 259, 260, 260, 2 + 'o', 261};
  std::vector<FuzzBytes> files;
  for (const std::string kind : {"llama3_bpe", "qwen2_bpe"}) {
    auto parted = tokenizer_of(kind.c_str(), letters);
    parted->merges = merged->merges;
    if (kind == "qwen2_bpe") put_bytes(&parted->pieces, pair_and_accents());
    files.push_back(file_with(std::move(parted)));
  }
  auto stepped = tokenizer_of("split_bpe", letters);
  stepped->merges = merged->merges;
  stepped->pieces.push_back(1);  // words that are pieces stay whole
  for (const std::string step : {"text merged_with_next ll", "numbers removed", "o200k", ""}) {
    put_bytes(&stepped->pieces, FuzzBytes(step.begin(), step.end()));
    stepped->pieces.push_back(0);
  }
  files.push_back(file_with(std::move(stepped)));
  auto unigram = unigram_of(letters);
  put_bytes(&unigram->pieces, a_to_b());
  files.push_back(file_with(staged_unigram(letters)));
  for (auto* one : {&words, &scored, &merged, &unigram})
    files.push_back(file_with(std::move(*one)));
  return files;
}

const FuzzTarget kTarget = {"tokenizer", run, seeds, mutate_heed};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
