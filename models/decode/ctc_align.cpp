// Viterbi's algorithm over the places before, in and after each label, in memory that grows as the
// sound does, not with its square. A path is found from its end: what step led to each place is
// kept at two bits where there are few of them; else scores are kept at kParts frames, and the
// parts between are done again, last first. A part knows the place that it ends in, and so few
// places that it may pass: no frame moves by more than two. What is done again costs a fifth of the
// first pass, and gives the same sums.

#include <algorithm>
#include <limits>

#include "models/decode/ctc.h"

namespace heed {
namespace {

constexpr double kUnreached = -std::numeric_limits<double>::infinity();
constexpr size_t kParts = 16;
constexpr size_t kStepsMax = size_t{1} << 20;  // whose two bits are kept at once: 256 kB
constexpr size_t kAnyEnd = SIZE_MAX;

/// Frames, and what is known of the places before and after them.
struct Stretch {
  size_t first, end;               // frames
  std::span<const double> before;  // scores of places `low` and on
  size_t low, last;                // last: where the path ends; kAnyEnd: the better of the last two

  size_t frames() const { return end - first; }
  size_t width() const { return before.size(); }
};

class Alignment {
 public:
  Alignment(const float* rows, size_t labels, int32_t blank, std::span<const int32_t> said,
            int32_t* first_frames, std::pmr::memory_resource* memory)
      : rows_(rows),
        labels_(labels),
        blank_(blank),
        said_(said),
        first_frames_(first_frames),
        memory_(memory) {}

  /// The place before the stretch of the best path to its end; kAnyEnd where none leads there.
  /// Writes where the labels on its way begin.
  size_t follow(const Stretch& s) {
    const bool few = s.frames() <= kParts || s.frames() * s.width() <= kStepsMax;
    return few ? follow_steps(s) : follow_parts(s);
  }

 private:
  /// Calls each(frame, scores) before each frame's pass, and each pass(frame, places from, to).
  template <class Each>
  std::pmr::vector<double> run(const Stretch& s, uint8_t* steps, const Each& each) const {
    std::pmr::vector<double> places(s.before.begin(), s.before.end(), memory_);
    size_t reached = s.width();
    while (reached > 0 && places[reached - 1] == kUnreached) --reached;
    const size_t goal =
        s.last == kAnyEnd ? s.width() - std::min<size_t>(s.width(), 2) : s.last - s.low;
    for (size_t f = s.first; f < s.end; ++f) {
      each(f, places);
      reached = std::min(reached + 2, s.width());
      // What is lower cannot come to the goal any more.
      const size_t from = goal - std::min(goal, 2 * (s.end - 1 - f));
      pass(f, places, s.low, from, reached, steps, (f - s.first) * s.width());
    }
    return places;
  }

  /// The scores before a frame of the places `from` .. `to` - 1 behind `low` become those after it.
  /// *steps: from how many places before each comes, four to a byte, that of `low` at `at`; null:
  /// nobody asks.
  void pass(size_t frame, std::span<double> places, size_t low, size_t from, size_t to,
            uint8_t* steps, size_t at) const {
    const float* row = rows_ + frame * labels_;
    for (size_t i = to; i-- > from;) {
      const size_t label = (low + i) / 2;
      const bool in_label = (low + i) % 2 == 1;
      double best = places[i];
      uint8_t step = 0;
      if (i >= 1 && places[i - 1] > best) best = places[i - 1], step = 1;
      if (in_label && i >= 2 && places[i - 2] > best && said_[label] != said_[label - 1])
        best = places[i - 2], step = 2;
      places[i] = best + static_cast<double>(row[in_label ? said_[label] : blank_]);
      if (steps != nullptr) steps[(at + i) / 4] |= static_cast<uint8_t>(step << (at + i) % 4 * 2);
    }
  }

  static size_t end_of(const Stretch& s, std::span<const double> places) {
    size_t at = s.last == kAnyEnd ? s.width() - 1 : s.last - s.low;
    if (s.last == kAnyEnd && at > 0 && places[at - 1] > places[at]) --at;
    return places[at] == kUnreached ? kAnyEnd : s.low + at;
  }

  size_t follow_steps(const Stretch& s) {
    std::pmr::vector<uint8_t> steps((s.frames() * s.width() + 3) / 4, 0, memory_);
    size_t place = end_of(s, run(s, steps.data(), [](size_t, const auto&) {}));
    for (size_t f = s.end; f-- > s.first && place != kAnyEnd;) {
      const size_t at = (f - s.first) * s.width() + place - s.low;
      const size_t step = steps[at / 4] >> at % 4 * 2 & 3;
      if (step > 0 && place % 2 == 1) first_frames_[place / 2] = static_cast<int32_t>(f);
      place -= step;
    }
    return place;
  }

  size_t follow_parts(const Stretch& s) {
    const size_t length = (s.frames() + kParts - 1) / kParts;
    std::pmr::vector<double> kept(memory_);  // [part][place]: before each part
    kept.reserve(kParts * s.width());
    size_t place = end_of(s, run(s, nullptr, [&](size_t frame, const auto& places) {
                            if ((frame - s.first) % length == 0)
                              kept.insert(kept.end(), places.begin(), places.end());
                          }));
    for (size_t part = kept.size() / s.width(); part-- > 0 && place != kAnyEnd;) {
      const size_t first = s.first + part * length, end = std::min(first + length, s.end);
      const size_t low = place - std::min(place - s.low, 2 * (end - first));
      const double* before = kept.data() + part * s.width() + (low - s.low);
      place = follow({first, end, {before, place - low + 1}, low, place});
    }
    return place;
  }

  const float* rows_;
  const size_t labels_;
  const int32_t blank_;
  const std::span<const int32_t> said_;
  int32_t* const first_frames_;
  std::pmr::memory_resource* const memory_;
};

}  // namespace

bool ctc_align(const float* log_probabilities, size_t frames, size_t labels, int32_t blank,
               std::span<const int32_t> said, int32_t* first_frames,
               std::pmr::memory_resource* memory) {
  if (frames == 0) return said.empty();
  // Before the first frame one is before the first label: it may begin at once.
  std::pmr::vector<double> before(2 * said.size() + 1, kUnreached, memory);
  before[0] = 0;
  Alignment alignment(log_probabilities, labels, blank, said, first_frames, memory);
  return alignment.follow({0, frames, before, 0, kAnyEnd}) != kAnyEnd;
}

}  // namespace heed
