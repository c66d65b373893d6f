#pragma once
// Texts to the tokens of a model's vocabulary and back.
//
// wordpiece: words parted at spaces and punctuation, each as the longest pieces from its start
// (BERT). bpe: characters joined pair by pair, the best pair first; spaces belong to the word that
// follows them (sentencepiece's, as Llama has); metaspace_bpe: no space is put before a text that
// begins with one. byte_bpe: the same on bytes, within the words of a rule: GPT-2's (Whisper's
// too), Llama 3's or Qwen 2's; split_bpe: within the words that the file's steps make. unigram: of
// all ways to put a word together the one whose pieces' scores sum up highest (sentencepiece's, as
// T5 and ALBERT have). A text never becomes one of the special tokens, whatever it says.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/heed.h"
#include "models/text/compose.h"
#include "models/text/normalizer.h"
#include "models/text/tournament.h"
#include "models/text/word_split.h"

namespace heed {

class Tokenizer {
 public:
  /// Reads what the model's task says; the model must outlive this object. Returns false with a
  /// sentence in `error`. Everything that encode() needs is allocated here.
  bool create(const heed_model& model, std::string* error);

  /// The first `most` tokens of a text, in `ids`; how many there are. Allocates nothing.
  size_t encode(std::string_view text, int32_t* ids, size_t most);
  /// The same between the tokens that the model wants around a text.
  size_t encode_whole(std::string_view text, int32_t* ids, size_t most);

  /// What a token adds to a text; "" for special ones. `first`: nothing comes before it.
  std::string_view text_of(int32_t token, bool first) const;

  size_t size() const { return count_; }
  int32_t pad() const { return pad_; }
  const std::vector<int32_t>& before() const { return before_; }
  bool stops(int32_t token) const;

 private:
  enum class Kind { wordpiece, bpe, byte_bpe, unigram };
  struct Out {  // where tokens go
    int32_t* ids;
    size_t most, count = 0;
    void put(int32_t id) {
      if (count < most && id >= 0) ids[count++] = id;
    }
    bool full() const { return count == most; }
  };

  bool read_pieces(const void* table, std::string* error);
  bool read_rules(const void* table, std::string* error);
  bool read_bytes(const void* table, const std::string& kind);
  void index_pieces();
  void index_merges();
  std::string_view piece(int32_t token) const;
  int32_t find(std::string_view text) const;  // -1: none
  int32_t joined(int32_t left, int32_t right, std::string_view text, float* score) const;

  void encode_words(std::string_view text, Out& out);
  void end_word(Out& out);
  void encode_spaced(std::string_view text, Out& out);
  void encode_bytes(std::string_view text, Out& out);
  void encode_composed(std::string_view text, Out& out);
  size_t put_byte_word(std::string_view word, bool ends, Out& out);
  size_t read_symbols(std::string_view word);
  float weigh_pair(std::string_view word, size_t left, size_t count);
  size_t join_pairs(std::string_view word, bool ends, Out& out);

  // tokenizer_unigram.cpp
  bool read_unigram(const void* table, std::string* error);
  void encode_unigram(std::string_view text, Out& out);
  size_t choose_pieces(std::string_view word, bool ends, Out& out);
  void find_best_ways(std::string_view word);
  size_t settled_bytes(size_t bytes) const;
  void put_unknown(std::string_view characters, Out& out);

  static constexpr size_t kWordMax = 4096;  // bytes; longer words go in parts that overlap
  static constexpr size_t kWindow = 4 * kWordMax;

  Kind kind_ = Kind::wordpiece;
  size_t count_ = 0;
  const uint8_t* pieces_ = nullptr;
  const uint32_t* ends_ = nullptr;
  const float* scores_ = nullptr;    // null: merges
  const int32_t* merges_ = nullptr;  // left, right, joined
  size_t merge_count_ = 0;
  bool lower_case_ = false, space_before_ = false, whole_words_ = false;
  bool one_space_before_ = false;  // none where the text begins with one
  WordSplit words_;                // of bytes
  Normalizer normalizer_;
  Composer composer_;         // of bytes: texts are composed first
  std::vector<char> window_;  // on what is composed
  size_t longest_ = 0;        // bytes of a piece
  double unknown_score_ = 0;
  int32_t byte_first_ = -1, unknown_ = -1, pad_ = 0;
  std::string continuation_;
  std::vector<int32_t> before_, after_, special_, stop_;
  std::vector<int32_t> piece_slots_, merge_slots_;  // open addressing; -1: free

  // Of the word at hand.
  std::string key_;  // room for the longest piece
  std::vector<char> word_;
  size_t word_bytes_ = 0, word_codes_ = 0;
  std::vector<int32_t> symbols_;
  std::vector<uint32_t> starts_;
  // Pairs: the neighbours of each symbol, what it and the next would be, and how much that is
  // wanted.
  std::vector<uint16_t> previous_, next_;
  std::vector<int32_t> made_;
  Tournament pairs_;
  std::vector<double> best_;    // unigram: of the pieces up to each byte
  bool after_unknown_ = false;  // unigram: the word so far ends with what no piece stands for
};

}  // namespace heed
