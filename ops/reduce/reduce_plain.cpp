// What every variant shares: integers, and the place of the extreme in strided columns.
#include "ops/reduce/reduce.h"

namespace heed {
namespace {

template <class T>
int64_t extreme_index(const T* x, int64_t n, int64_t step, bool largest) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; ++i) {
    const T value = x[i * step], so_far = x[best * step];
    if (largest ? value > so_far : value < so_far) best = i;
  }
  return best;
}

uint64_t magnitude(uint64_t x) { return static_cast<int64_t>(x) < 0 ? 0 - x : x; }

/// Unsigned, so that overflow wraps around.
uint64_t take(uint64_t so_far, uint64_t x, ReduceKind kind) {
  const auto a = static_cast<int64_t>(so_far), b = static_cast<int64_t>(x);
  switch (kind) {
    case ReduceKind::max:
      return a > b ? so_far : x;
    case ReduceKind::min:
      return a < b ? so_far : x;
    case ReduceKind::prod:
      return so_far * x;
    case ReduceKind::l1:
      return so_far + magnitude(x);
    case ReduceKind::sum_square:
      return so_far + x * x;
    default:
      return so_far + x;
  }
}

int64_t reduce(const int64_t* x, int64_t n, int64_t step, ReduceKind kind) {
  const bool starts_with_first = kind == ReduceKind::max || kind == ReduceKind::min;
  uint64_t value = starts_with_first ? static_cast<uint64_t>(x[0]) : kind == ReduceKind::prod;
  for (int64_t i = 0; i < n; ++i) value = take(value, static_cast<uint64_t>(x[i * step]), kind);
  const auto result = static_cast<int64_t>(value);
  return kind == ReduceKind::mean ? result / n : result;
}

}  // namespace

void arg_columns(const ReduceArgs& args, ReduceKind kind) {
  for (int64_t o = 0; o < args.outer; ++o) {
    for (int64_t c = 0; c < args.inner; ++c) {
      args.index[o * args.inner + c] = extreme_index(args.x + o * args.n * args.inner + c, args.n,
                                                     args.inner, kind == ReduceKind::arg_max);
    }
  }
}

void reduce_i64(const ReduceI64Args& args, ReduceKind kind) {
  for (int64_t o = 0; o < args.outer; ++o) {
    for (int64_t c = 0; c < args.inner; ++c) {
      const int64_t* x = args.x + o * args.n * args.inner + c;
      args.y[o * args.inner + c] =
          is_arg(kind) ? extreme_index(x, args.n, args.inner, kind == ReduceKind::arg_max)
                       : reduce(x, args.n, args.inner, kind);
    }
  }
}

}  // namespace heed
