#pragma once
// Tensors as the engine sees them: a type, a shape, bytes. No ownership anywhere in this file.

#include <stddef.h>
#include <stdint.h>

#include "engine/schema/model_generated.h"
#include "ops/cached_attention/cached_panels.h"

namespace heed {

using fb::DataType;

inline constexpr int32_t kMaxRank = 8;
inline constexpr size_t kAlignment = 64;  // of every tensor, blob and scratch area

constexpr size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct Shape {
  int32_t rank = 0;
  int32_t dims[kMaxRank] = {};

  int64_t elements() const {
    int64_t n = 1;
    for (int32_t i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  int32_t last() const { return rank == 0 ? 1 : dims[rank - 1]; }
  int64_t rows() const { return last() == 0 ? 0 : elements() / last(); }
};

/// int8 with float scales, in a layout of its own.
constexpr bool is_quantised(DataType type) { return type >= DataType::q8_rows; }
constexpr bool is_cache(DataType type) { return type > DataType::q8_rows; }

/// Bytes of one element; 1 of a quantised one (its value).
constexpr size_t element_bytes(DataType type) {
  switch (type) {
    case DataType::f32:
    case DataType::i32:
      return 4;
    case DataType::i64:
      return 8;
    default:
      return 1;
  }
}

/// How a q8_rows tensor lies in memory. rows * width values; every row padded with zeros to
/// `step` bytes; `halo` rows of zeros before and after; then, at a multiple of 64, one float scale
/// per row and group: value = scale[row, k / group] * q[row, k].
struct Q8Layout {
  int32_t rows, width, halo;
  int32_t group;        // values per scale, a multiple of 16, or `step` when the row has one scale
  int32_t groups;       // scales per row
  size_t step;          // bytes from row to row: width rounded up to 16
  size_t scale_offset;  // bytes from the tensor's start to scale[first halo row]
  size_t bytes;         // the whole tensor

  static constexpr Q8Layout of(int64_t rows, int32_t width, int32_t group, int32_t halo) {
    Q8Layout q{};
    q.rows = static_cast<int32_t>(rows);
    q.width = width;
    q.halo = halo;
    q.step = round_up(static_cast<size_t>(width), 16);
    q.group = group == 0 ? static_cast<int32_t>(q.step) : group;
    q.groups = static_cast<int32_t>(round_up(q.step, static_cast<size_t>(q.group))) / q.group;
    const size_t all_rows = static_cast<size_t>(rows) + 2 * static_cast<size_t>(halo);
    q.scale_offset = round_up(all_rows * q.step, kAlignment);
    q.bytes = q.scale_offset + all_rows * static_cast<size_t>(q.groups) * sizeof(float);
    return q;
  }
};

/// How a q8_keys or q8_values tensor [B, C, W] lies in memory: a panel of
/// ops/cached_attention/cached_panels.h for each batch and head, its scales behind its values.
struct CacheLayout {
  int32_t batch, capacity, heads;
  int32_t width;        // of a head
  size_t scale_offset;  // bytes from a panel's start
  size_t panel_bytes;   // a multiple of 64
  size_t bytes;         // the whole tensor

  static constexpr CacheLayout of(const Shape& shape, int32_t width) {
    CacheLayout c{};
    c.batch = shape.dims[0];
    c.capacity = shape.dims[1];
    c.heads = shape.dims[2] / width;
    c.width = width;
    const size_t rows = round_up(static_cast<size_t>(c.capacity), kCachedPanelRows);
    c.scale_offset = rows * static_cast<size_t>(width);
    c.panel_bytes = c.scale_offset + rows * sizeof(float);
    c.bytes = c.panel_bytes * static_cast<size_t>(c.batch) * static_cast<size_t>(c.heads);
    return c;
  }
  constexpr size_t panel_offset(int32_t b, int32_t head) const {
    return panel_bytes *
           (static_cast<size_t>(b) * static_cast<size_t>(heads) + static_cast<size_t>(head));
  }
};

/// A tensor with its memory. `data` is 64-byte aligned unless the tensor is a view.
struct TensorView {
  DataType type = DataType::f32;
  Shape shape;
  uint32_t group = 0, halo = 0;  // quantised; halo of q8_rows alone
  void* data = nullptr;
  const char* name = "";

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  Q8Layout q8() const {
    return Q8Layout::of(shape.rows(), shape.last(), static_cast<int32_t>(group),
                        static_cast<int32_t>(halo));
  }
  CacheLayout cache() const { return CacheLayout::of(shape, static_cast<int32_t>(group)); }
};

}  // namespace heed
