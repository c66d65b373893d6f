#pragma once
// Connectionist temporal classification: from log probabilities of labels at each frame to the
// labels that were said. The searches allocate nothing after create().

#include <stddef.h>
#include <stdint.h>

#include <memory_resource>
#include <span>
#include <vector>

namespace heed {

/// The best label of each frame, repeats joined, blanks dropped, to `out` (room for `frames`).
/// Returns how many; first_frames, when not null, gets the frame at which each begins.
size_t ctc_greedy(const float* log_probabilities, size_t frames, size_t labels, int32_t blank,
                  int32_t* out, int32_t* first_frames = nullptr);

/// The frame at which each of the labels `said` begins in their most probable alignment, to
/// `first_frames`. Allocates about 300 bytes for each label, 16 for each frame, and 256 kB. False
/// where there are too few frames for them.
bool ctc_align(const float* log_probabilities, size_t frames, size_t labels, int32_t blank,
               std::span<const int32_t> said, int32_t* first_frames,
               std::pmr::memory_resource* memory = std::pmr::get_default_resource());

/// Prefix beam search: the sequence whose alignments together are the most probable, among those
/// that the `width` best prefixes of every frame lead to.
class CtcBeam {
 public:
  explicit CtcBeam(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : nodes_(memory), beam_(memory), next_(memory), best_(memory), out_(memory) {}

  /// `tokens_max`: labels of the longest sequence; longer ones are not followed.
  void create(size_t width, size_t labels, size_t frames_max, size_t tokens_max);

  struct Result {
    std::span<const int32_t> labels;  // until the next search
    double log_probability = 0;
  };
  Result search(const float* log_probabilities, size_t frames, int32_t blank);

 private:
  // A prefix is a path in a tree of labels; its nodes live until no prefix of the beam needs them.
  struct Node {
    int32_t parent, label, length, uses;
    uint64_t hash;  // of the labels: one sequence may come to be by two paths
  };
  struct Prefix {
    int32_t node;
    double blank, label;  // log probability of the alignments that end so
    int32_t grown_by;     // >= 0: not a node yet, but `node` and this label
  };
  double total(const Prefix& prefix) const;
  Prefix* find(int32_t node, int32_t grown_by);
  void add(int32_t node, int32_t grown_by, double blank, double label);
  void grow(const Prefix& prefix, const float* row, int32_t blank);
  int32_t child(int32_t parent, int32_t label);
  void release(int32_t node);

  std::pmr::vector<Node> nodes_;
  std::pmr::vector<Prefix> beam_, next_;
  std::pmr::vector<int32_t> best_, out_;
  size_t width_ = 0, labels_ = 0, beam_size_ = 0, next_size_ = 0, tokens_max_ = 0;
  int32_t free_ = -1;
};

}  // namespace heed
