#pragma once
// A search for the most probable sequence of tokens: greedy, sampling, or a beam. The caller runs
// the network: `rows()` sequences are being written at once, each step() takes a row of log
// probabilities for each and says which token each row writes and which row's past it goes on
// from. Nothing is allocated after create().

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <span>
#include <vector>

namespace heed {

class Hypotheses {
 public:
  explicit Hypotheses(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : tokens_(memory),
        next_tokens_(memory),
        rows_(memory),
        next_rows_(memory),
        finished_(memory),
        finished_tokens_(memory),
        parents_(memory),
        candidates_(memory) {}

  /// At most `rows_max` rows of `length_max` tokens.
  void create(size_t rows_max, size_t length_max);

  /// Begins anew. temperature 0: a beam of `rows` (1: greedy). Otherwise `rows` samples, each row
  /// of its own. `end` is the token that ends a sequence.
  void begin(size_t rows, float temperature, uint64_t seed, int32_t end);

  size_t rows() const { return count_; }
  size_t length() const { return length_; }  // tokens said so far
  std::span<const int32_t> said(size_t row) const {
    return {tokens_.data() + row * length_max_, length_};
  }
  /// Whether a row of a sampling search has ended: its logits matter no more.
  bool ended(size_t row) const { return rows_[row].ended; }

  /// Takes log probabilities, [rows()][vocabulary]; with a temperature they are of the logits
  /// divided by it only for drawing, sums are of these. Afterwards token(row) is what each row says
  /// next, and parent(row) the row whose past it continues. Returns false when the search is over.
  bool step(const float* log_probabilities, size_t vocabulary);
  int32_t token(size_t row) const { return tokens_[row * length_max_ + length_ - 1]; }
  size_t parent(size_t row) const { return parents_[row]; }

  /// The best sequence, without its end: the largest mean log probability, as Whisper ranks.
  struct Result {
    std::span<const int32_t> tokens;
    double sum = 0;         // of log probabilities, the end's included
    bool complete = false;  // it ended by itself
    double mean() const { return sum / static_cast<double>(tokens.size() + 1); }
  };
  Result best() const;

 private:
  struct Row {
    double sum = 0;
    bool ended = false;
  };
  struct Finished {
    size_t length = 0;
    double sum = 0;
  };
  struct Candidate {
    double sum;
    uint32_t row;
    int32_t token;
  };
  bool step_alone(const float* log_probabilities, size_t vocabulary);
  bool step_beam(const float* log_probabilities, size_t vocabulary);
  void propose(const Candidate& candidate, size_t most);
  int32_t draw(const float* log_probabilities, size_t vocabulary);
  void finish(std::span<const int32_t> tokens, double sum);
  double unit();

  std::pmr::vector<int32_t> tokens_, next_tokens_;  // [rows][length_max]
  std::pmr::vector<Row> rows_, next_rows_;
  std::pmr::vector<Finished> finished_;
  std::pmr::vector<int32_t> finished_tokens_;
  std::pmr::vector<size_t> parents_;
  std::pmr::vector<Candidate> candidates_;
  size_t rows_max_ = 0, length_max_ = 0, count_ = 0, length_ = 0, finished_count_ = 0,
         proposed_ = 0;
  float temperature_ = 0;
  uint64_t random_ = 0;
  int32_t end_ = 0;
};

}  // namespace heed
