#pragma once
// The best of many scores while they change.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace heed {

/// A tree in which of every two the better goes on, of equals the first. Allocates in create()
/// only.
class Tournament {
 public:
  static constexpr float kOut = -std::numeric_limits<float>::infinity();  // cannot be the best

  /// Room for `most` players, a power of two up to 65,536.
  void create(size_t most);
  /// `count` players, 1 at least, out until set() says otherwise.
  void begin(size_t count);
  void set(size_t player, float score) { scores_[player] = score; }
  /// All scores are set.
  void play();
  /// The score of one player changes after that.
  void change(size_t player, float score);

  size_t best() const;
  float score(size_t player) const { return scores_[player]; }

 private:
  void decide(size_t node);

  size_t count_ = 1;
  size_t places_ = 1;              // a power of two, the players among them
  std::vector<float> scores_;      // of each place
  std::vector<uint16_t> winners_;  // of node 1, the final, and 2n and 2n + 1 below node n
};

}  // namespace heed
