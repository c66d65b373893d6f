#include "models/decode/hypotheses.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace heed {

void Hypotheses::create(size_t rows_max, size_t length_max) {
  rows_max_ = rows_max;
  length_max_ = length_max;
  tokens_.assign(rows_max * length_max, 0);
  next_tokens_.assign(rows_max * length_max, 0);
  rows_.assign(rows_max, {});
  next_rows_.assign(rows_max, {});
  finished_.assign(rows_max, {});
  finished_tokens_.assign(rows_max * length_max, 0);
  parents_.assign(rows_max, 0);
  candidates_.assign(rows_max * (rows_max + 1) + 1, {});
}

void Hypotheses::begin(size_t rows, float temperature, uint64_t seed, int32_t end) {
  count_ = std::min(rows, rows_max_);
  temperature_ = temperature;
  random_ = seed;
  end_ = end;
  length_ = finished_count_ = 0;
  std::fill(rows_.begin(), rows_.end(), Row{});
}

// SplitMix64: the same numbers from the same seed on every machine.
double Hypotheses::unit() {
  uint64_t z = (random_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

int32_t Hypotheses::draw(const float* log_probabilities, size_t vocabulary) {
  if (temperature_ == 0)
    return static_cast<int32_t>(
        std::max_element(log_probabilities, log_probabilities + vocabulary) - log_probabilities);
  const float top = *std::max_element(log_probabilities, log_probabilities + vocabulary);
  const auto weight = [&](size_t i) {
    return static_cast<double>(std::exp((log_probabilities[i] - top) / temperature_));
  };
  double total = 0;
  for (size_t i = 0; i < vocabulary; ++i) total += weight(i);
  double left = unit() * total;
  size_t last = 0;
  for (size_t i = 0; i < vocabulary; ++i) {
    const double w = weight(i);
    if (w == 0) continue;
    last = i;
    if ((left -= w) < 0) break;
  }
  return static_cast<int32_t>(last);
}

bool Hypotheses::step(const float* log_probabilities, size_t vocabulary) {
  if (length_ == length_max_) return false;
  return count_ > 1 && temperature_ == 0 ? step_beam(log_probabilities, vocabulary)
                                         : step_alone(log_probabilities, vocabulary);
}

// Rows that know nothing of each other. An ended one repeats its end.
bool Hypotheses::step_alone(const float* log_probabilities, size_t vocabulary) {
  bool going = false;
  for (size_t r = 0; r < count_; ++r) {
    const float* row = log_probabilities + r * vocabulary;
    int32_t token = end_;
    if (!rows_[r].ended) {
      token = draw(row, vocabulary);
      rows_[r].sum += static_cast<double>(row[token]);
      rows_[r].ended = token == end_;
    }
    tokens_[r * length_max_ + length_] = token;
    parents_[r] = r;
    going = going || !rows_[r].ended;
  }
  ++length_;
  return going && length_ < length_max_;
}

// Keeps the `most` best candidates, best first; of equal ones the earlier.
void Hypotheses::propose(const Candidate& candidate, size_t most) {
  size_t at = proposed_;
  while (at > 0 && candidates_[at - 1].sum < candidate.sum) --at;
  if (at >= most) return;
  if (proposed_ < most) ++proposed_;
  for (size_t i = proposed_ - 1; i > at; --i) candidates_[i] = candidates_[i - 1];
  candidates_[at] = candidate;
}

void Hypotheses::finish(std::span<const int32_t> tokens, double sum) {
  if (finished_count_ == rows_max_) return;
  std::copy(tokens.begin(), tokens.end(),
            finished_tokens_.begin() + static_cast<ptrdiff_t>(finished_count_ * length_max_));
  finished_[finished_count_++] = {tokens.size(), sum};
}

// Every row proposes its rows + 1 best tokens; of all of them the best that do not end become the
// rows of the next step. Those that end on the way are finished; `rows` of them end the search.
bool Hypotheses::step_beam(const float* log_probabilities, size_t vocabulary) {
  // At most this many can be looked at before `count_` that do not end are found.
  const size_t most = 2 * count_;
  proposed_ = 0;
  // All rows are the same before the first token.
  for (size_t r = 0; r < (length_ == 0 ? 1 : count_); ++r) {
    const float* row = log_probabilities + r * vocabulary;
    for (size_t i = 0; i < vocabulary; ++i) {
      const double sum = rows_[r].sum + static_cast<double>(row[i]);
      if (proposed_ == most && !(sum > candidates_[most - 1].sum)) continue;
      if (row[i] == -std::numeric_limits<float>::infinity()) continue;
      propose({sum, static_cast<uint32_t>(r), static_cast<int32_t>(i)}, most);
    }
  }
  size_t kept = 0;
  for (size_t i = 0; i < proposed_ && kept < count_; ++i) {
    const Candidate& c = candidates_[i];
    const int32_t* past = tokens_.data() + c.row * length_max_;
    if (c.token == end_) {
      if (finished_count_ < count_) finish({past, length_}, c.sum);
      continue;
    }
    int32_t* to = next_tokens_.data() + kept * length_max_;
    std::copy_n(past, length_, to);
    to[length_] = c.token;
    next_rows_[kept] = {c.sum, false};
    parents_[kept++] = c.row;
  }
  if (kept == 0 || finished_count_ >= count_) return false;
  // Fewer than there are rows where almost everything is forbidden: the rest repeat the last.
  for (; kept < count_; ++kept) {
    std::copy_n(next_tokens_.data() + (kept - 1) * length_max_, length_ + 1,
                next_tokens_.data() + kept * length_max_);
    next_rows_[kept] = {-std::numeric_limits<double>::infinity(), false};
    parents_[kept] = parents_[kept - 1];
  }
  std::swap(tokens_, next_tokens_);
  std::swap(rows_, next_rows_);
  ++length_;
  return length_ < length_max_;
}

Hypotheses::Result Hypotheses::best() const {
  Result best;
  bool found = false;
  const auto consider = [&](const Result& result) {
    const double mean = result.sum / static_cast<double>(std::max<size_t>(result.tokens.size(), 1));
    const double top = best.sum / static_cast<double>(std::max<size_t>(best.tokens.size(), 1));
    if (found && !(mean > top)) return;
    best = result;
    found = true;
  };
  for (size_t i = 0; i < finished_count_; ++i)
    consider(
        {{finished_tokens_.data() + i * length_max_, finished_[i].length}, finished_[i].sum, true});
  // Whisper takes what has not ended only where too little has.
  const bool beam = count_ > 1 && temperature_ == 0;
  if (beam && finished_count_ >= count_) return best;
  for (size_t r = 0; r < count_; ++r) {
    size_t length = length_;
    const bool ended = rows_[r].ended;
    while (ended && length > 0 && tokens_[r * length_max_ + length - 1] == end_) --length;
    consider({{tokens_.data() + r * length_max_, length}, rows_[r].sum, ended});
  }
  return best;
}

}  // namespace heed
