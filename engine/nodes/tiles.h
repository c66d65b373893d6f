#pragma once
// How nodes cut work into tiles: for the threads and for the caches.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/node.h"

namespace heed {

/// Rows of up to kRowsMax that are computed together, so that what follows finds them in the cache.
/// Which rows share a panel never changes their bits.
struct Panels {
  static constexpr int32_t kUnit = 12;  // a multiple of the row tiles of all kernels: 4, 6, 12
  static constexpr int32_t kRowsMax = 48;
  static constexpr int64_t kFloats = 8192;  // of one panel: 32 kB, the first cache

  int64_t rows;
  int64_t unit;  // panels begin at multiples of so many rows
  int64_t count;

  /// Most rows of a panel of rows that are `width` wide: depends on nothing else.
  static constexpr int32_t rows_max(int64_t width) {
    const int64_t fit = kFloats / (width < 1 ? 1 : width) / kUnit * kUnit;
    return static_cast<int32_t>(fit < kUnit ? kUnit : fit > kRowsMax ? kRowsMax : fit);
  }
  /// As few panels as fit, but a number that the threads can share evenly.
  static constexpr Panels of(int64_t rows, int64_t width, int64_t threads) {
    return at_most(rows_max(width), rows, threads);
  }
  /// The same with panels of up to `most` rows, a multiple of kUnit. One thread's are of whole
  /// units; those of several are equal to a pair of rows: a tile of five rows takes 5/6 of the time
  /// of one of six, but a thread with a unit less waits for the others.
  static constexpr Panels at_most(int32_t most, int64_t rows, int64_t threads) {
    const int64_t unit = threads == 1 ? kUnit : 2;
    const int64_t fewest = up(rows, most), even = up(fewest, threads) * threads;
    return {rows, unit, std::max(fewest, std::min(even, up(rows, kUnit / 2)))};
  }
  constexpr int64_t begin(int64_t panel) const {
    const int64_t row = panel * up(rows, unit) / count * unit;
    return row < rows ? row : rows;
  }
  constexpr int32_t size(int64_t panel) const {
    return static_cast<int32_t>(begin(panel + 1) - begin(panel));
  }

 private:
  static constexpr int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit; }
};

/// A range cut into `count` nearly equal parts whose borders are multiples of `multiple`.
struct Slices {
  int64_t total, multiple, count;

  /// Enough parts that the threads finish together, none smaller than `least` but the last.
  static constexpr Slices of(int64_t total, int64_t least, int64_t threads, int64_t multiple = 1) {
    const int64_t units = (total + multiple - 1) / multiple;
    const int64_t most = least > total ? 1 : total / least;
    const int64_t wanted = threads == 1 ? 1 : threads * 4;
    int64_t count = wanted < most ? wanted : most;
    if (count > units) count = units;
    return {total, multiple, count < 1 ? 1 : count};
  }
  constexpr int64_t begin(int64_t part) const {
    const int64_t units = (total + multiple - 1) / multiple;
    const int64_t at = units * part / count * multiple;
    return at < total ? at : total;
  }
  constexpr int64_t end(int64_t part) const { return begin(part + 1); }
};

/// f(tile, thread) for every tile 0 .. count-1: on all threads, or, where the work is not worth
/// waking the others (`threads` 1), in order on this one.
template <class F>
void for_tiles(RunContext& context, int32_t threads, int64_t count, const F& f) {
  if (threads > 1 && count > 1) {
    context.threads.parallel_for(count, f);
    return;
  }
  for (int64_t tile = 0; tile < count; ++tile) f(tile, int32_t{0});
}

/// f(begin, end) for the parts of 0 .. total-1.
template <class F>
void for_slices(RunContext& context, int64_t total, int64_t least, const F& f) {
  const int32_t threads = context.threads.count();
  const Slices slices = Slices::of(total, least, threads);
  for_tiles(context, threads, slices.count,
            [&](int64_t tile, int32_t) { f(slices.begin(tile), slices.end(tile)); });
}

/// Keeps the first fault of a run; not from within tiles.
inline void note_fault(RunContext& context, const char* what, int64_t value) {
  if (!context.fault.what) context.fault = {what, value};
}

/// NodeKind::scratch of ops that need none.
inline ScratchNeed no_scratch(const OpInfo&, int32_t) { return {}; }

}  // namespace heed
