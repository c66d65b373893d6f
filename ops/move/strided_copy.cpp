#include "ops/move/strided_copy.h"

#include <cstring>

namespace heed {
namespace {

constexpr int64_t kTile = 16;  // transposes walk squares of this side
constexpr int64_t kFewColumns = 4;

void drop(StridedCopy* copy, int32_t d) {
  for (int32_t i = d; i + 1 < copy->rank; ++i) {
    copy->size[i] = copy->size[i + 1];
    copy->src_step[i] = copy->src_step[i + 1];
    copy->dst_step[i] = copy->dst_step[i + 1];
  }
  --copy->rank;
}

bool walk_together(const StridedCopy& c, int32_t outer) {
  const int32_t inner = outer + 1;
  return c.src_step[outer] == c.src_step[inner] * c.size[inner] &&
         c.dst_step[outer] == c.dst_step[inner] * c.size[inner];
}

/// Moves dimension `from` to just before the last one.
void move_before_last(StridedCopy* c, int32_t from) {
  const int64_t size = c->size[from], src = c->src_step[from], dst = c->dst_step[from];
  const int32_t to = c->rank - 2;
  for (int32_t d = from; d < to; ++d) {
    c->size[d] = c->size[d + 1];
    c->src_step[d] = c->src_step[d + 1];
    c->dst_step[d] = c->dst_step[d + 1];
  }
  c->size[to] = size;
  c->src_step[to] = src;
  c->dst_step[to] = dst;
}

/// Whether the last two dimensions are walked in tiles: the source is contiguous along the one
/// before the last.
bool is_tiled(const StridedCopy& c) {
  return c.rank >= 2 && c.src_step[c.rank - 1] != 1 && c.src_step[c.rank - 1] != 0 &&
         c.src_step[c.rank - 2] == 1;
}

template <class T>
void copy_row(const T* src, int64_t src_step, T* dst, int64_t dst_step, int64_t n) {
  if (dst_step == 1 && src_step == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (dst_step == 1 && src_step == 0) {
    const T value = *src;
    for (int64_t i = 0; i < n; ++i) dst[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_step] = src[i * src_step];
  }
}

/// Rows of the destination first .. last-1 of the last two dimensions, in squares; few columns, as
/// a picture's channels are, one by one.
template <class T>
void copy_tiled(const StridedCopy& c, const T* src, T* dst, int64_t first, int64_t last) {
  const int32_t row = c.rank - 2, column = c.rank - 1;
  const int64_t columns = c.size[column];
  if (columns <= kFewColumns) {
    for (int64_t j = 0; j < columns; ++j) {
      const T* from = src + j * c.src_step[column];
      T* to = dst + j * c.dst_step[column];
      for (int64_t i = first; i < last; ++i) to[i * c.dst_step[row]] = from[i];
    }
    return;
  }
  for (int64_t j0 = 0; j0 < columns; j0 += kTile) {
    const int64_t j1 = j0 + kTile < columns ? j0 + kTile : columns;
    for (int64_t i = first; i < last; ++i) {
      const T* from = src + i * c.src_step[row];
      T* to = dst + i * c.dst_step[row];
      for (int64_t j = j0; j < j1; ++j) to[j * c.dst_step[column]] = from[j * c.src_step[column]];
    }
  }
}

/// A position in the outer dimensions 0 .. dims-1, as offsets into both sides.
struct Walk {
  const StridedCopy& c;
  int32_t dims;
  int64_t at[kMoveRankMax] = {};
  int64_t src = 0, dst = 0;

  Walk(const StridedCopy& copy, int32_t outer_dims, int64_t position) : c(copy), dims(outer_dims) {
    for (int32_t d = dims - 1; d >= 0; --d) {
      at[d] = position % c.size[d];
      position /= c.size[d];
      src += at[d] * c.src_step[d];
      dst += at[d] * c.dst_step[d];
    }
  }
  void next() {
    for (int32_t d = dims - 1; d >= 0; --d) {
      src += c.src_step[d];
      dst += c.dst_step[d];
      if (++at[d] < c.size[d]) return;
      src -= at[d] * c.src_step[d];
      dst -= at[d] * c.dst_step[d];
      at[d] = 0;
    }
  }
};

int64_t strips(const StridedCopy& c) { return (c.size[c.rank - 2] + kTile - 1) / kTile; }

template <class T>
void run_parts(const StridedCopy& c, const T* src, T* dst, int64_t first, int64_t last) {
  if (c.rank == 0) {
    *dst = *src;
    return;
  }
  if (!is_tiled(c)) {
    const int32_t inner = c.rank - 1;
    Walk walk(c, inner, first);
    for (int64_t part = first; part < last; ++part, walk.next()) {
      copy_row(src + walk.src, c.src_step[inner], dst + walk.dst, c.dst_step[inner], c.size[inner]);
    }
    return;
  }
  const int64_t per_plane = strips(c), rows = c.size[c.rank - 2];
  Walk walk(c, c.rank - 2, first / per_plane);
  int64_t strip = first % per_plane;
  for (int64_t part = first; part < last; ++part) {
    const int64_t begin = strip * kTile;
    const int64_t end = begin + kTile < rows ? begin + kTile : rows;
    copy_tiled(c, src + walk.src, dst + walk.dst, begin, end);
    if (++strip == per_plane) {
      strip = 0;
      walk.next();
    }
  }
}

}  // namespace

void contiguous_steps(int32_t rank, const int64_t* size, int64_t* step) {
  int64_t n = 1;
  for (int32_t d = rank - 1; d >= 0; --d) {
    step[d] = n;
    n *= size[d];
  }
}

StridedCopy simplified(const StridedCopy& copy) {
  StridedCopy c = copy;
  for (int32_t d = c.rank - 1; d >= 0; --d) {
    if (c.size[d] == 1) drop(&c, d);
  }
  for (int32_t d = c.rank - 2; d >= 0; --d) {
    if (!walk_together(c, d)) continue;
    const int64_t size = c.size[d];
    drop(&c, d);
    c.size[d] *= size;
  }
  if (c.rank < 2 || c.src_step[c.rank - 1] == 1 || c.src_step[c.rank - 1] == 0) return c;
  for (int32_t d = 0; d + 1 < c.rank; ++d) {
    if (c.src_step[d] != 1) continue;
    move_before_last(&c, d);
    break;
  }
  return c;
}

int64_t strided_copy_parts(const StridedCopy& c) {
  int64_t parts = 1;
  for (int32_t d = 0; d < c.rank; ++d) {
    if (c.size[d] == 0) return 0;
  }
  const int32_t outer = is_tiled(c) ? c.rank - 2 : c.rank - 1;
  for (int32_t d = 0; d < outer; ++d) parts *= c.size[d];
  return is_tiled(c) ? parts * strips(c) : parts;
}

void run_strided_copy(const StridedCopy& copy, const void* src, void* dst, int64_t first,
                      int64_t last) {
  if (first >= last) return;
  switch (copy.element_bytes) {
    case 1:
      return run_parts(copy, static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst), first,
                       last);
    case 4:
      return run_parts(copy, static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst), first,
                       last);
    default:
      return run_parts(copy, static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst), first,
                       last);
  }
}

}  // namespace heed
