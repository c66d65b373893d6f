#include "models/text/tournament.h"

#include <algorithm>
#include <bit>

namespace heed {
namespace {

constexpr size_t kFewPlayers = 16;  // players among whom looking at all is quicker

}  // namespace

void Tournament::create(size_t most) {
  scores_.assign(most, kOut);
  winners_.assign(most, 0);
}

void Tournament::begin(size_t count) {
  count_ = count;
  places_ = std::bit_ceil(count);
  std::fill_n(scores_.begin(), places_, kOut);
}

void Tournament::play() {
  for (size_t node = places_ > kFewPlayers ? places_ : 1; --node > 0;) decide(node);
}

size_t Tournament::best() const {
  if (places_ > kFewPlayers) return winners_[1];
  size_t best = 0;
  for (size_t i = 1; i < count_; ++i) best = scores_[i] > scores_[best] ? i : best;
  return best;
}

void Tournament::change(size_t player, float score) {
  scores_[player] = score;
  if (places_ <= kFewPlayers) return;
  for (size_t node = (places_ + player) / 2; node > 0; node /= 2) decide(node);
}

void Tournament::decide(size_t node) {
  const auto winner = [this](size_t child) {
    return child < places_ ? winners_[child] : static_cast<uint16_t>(child - places_);
  };
  const uint16_t first = winner(2 * node), second = winner(2 * node + 1);
  winners_[node] = scores_[second] > scores_[first] ? second : first;
}

}  // namespace heed
