#include "ops/move/pad.h"

#include <string.h>

namespace heed {
namespace {

/// Where element i of a padded dimension comes from; -1: from nowhere.
int64_t source(PadKind kind, int64_t i, int64_t size) {
  if (i >= 0 && i < size) return i;
  switch (kind) {
    case PadKind::constant:
      return -1;
    case PadKind::edge:
      return i < 0 ? 0 : size - 1;
    case PadKind::reflect:
      return i < 0 ? -i : 2 * (size - 1) - i;
  }
  return -1;
}

template <class T>
void fill(T* dst, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) dst[i] = value;
}

template <class T>
void pad_row(const PadArgs& args, const T* src, T* dst, T value) {
  const int32_t d = args.rank - 1;
  const int64_t size = args.src_size[d], n = args.dst_size[d], before = args.before[d];
  const int64_t begin = before < 0 ? 0 : before < n ? before : n;
  const int64_t stop = before + size < n ? before + size : n;
  const int64_t end = stop < begin ? begin : stop;
  for (int64_t i = 0; i < n; ++i) {
    if (i == begin && end > begin) {
      memcpy(dst + begin, src + (begin - before), static_cast<size_t>(end - begin) * sizeof(T));
      i = end - 1;
      continue;
    }
    const int64_t from = source(args.kind, i - before, size);
    dst[i] = from < 0 ? value : src[from];
  }
}

/// Offset of the source row of row `row` of the output, in elements; -1: it lies beyond.
int64_t source_row(const PadArgs& args, int64_t row) {
  int64_t offset = 0, step = args.src_size[args.rank - 1];
  for (int32_t d = args.rank - 2; d >= 0; --d) {
    const int64_t i = source(args.kind, row % args.dst_size[d] - args.before[d], args.src_size[d]);
    if (i < 0) return -1;
    row /= args.dst_size[d];
    offset += i * step;
    step *= args.src_size[d];
  }
  return offset;
}

template <class T>
void run_rows(const PadArgs& args, int64_t first, int64_t last) {
  const int64_t n = args.dst_size[args.rank - 1];
  const T value = args.value ? *static_cast<const T*>(args.value) : T{0};
  for (int64_t row = first; row < last; ++row) {
    T* dst = static_cast<T*>(args.dst) + row * n;
    const int64_t from = source_row(args, row);
    if (from < 0) {
      fill(dst, n, value);
    } else {
      pad_row(args, static_cast<const T*>(args.src) + from, dst, value);
    }
  }
}

}  // namespace

void run_pad(const PadArgs& args, int64_t first, int64_t last) {
  switch (args.element_bytes) {
    case 1:
      return run_rows<uint8_t>(args, first, last);
    case 4:
      return run_rows<uint32_t>(args, first, last);
    default:
      return run_rows<uint64_t>(args, first, last);
  }
}

}  // namespace heed
