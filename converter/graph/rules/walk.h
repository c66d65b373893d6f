#pragma once
// Loops over tensors whose operands broadcast, are permuted or are cut out of larger ones.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "converter/graph/op_call.h"

namespace heed::graph {

template <size_t N>
using WalkStrides = std::array<std::vector<int64_t>, N>;  // per operand: one per dimension

/// Joins neighbouring dimensions over which every operand runs on, so that inner loops are long.
template <size_t N>
void join_dimensions(Shape& dims, WalkStrides<N>& strides) {
  for (size_t i = dims.size(); i-- > 1;) {
    bool joined = true;
    for (const std::vector<int64_t>& s : strides) joined = joined && s[i - 1] == s[i] * dims[i];
    if (!joined && dims[i] != 1) continue;
    if (joined) {
      for (std::vector<int64_t>& s : strides) s[i - 1] = s[i];
    }
    dims[i - 1] *= dims[i];
    dims.erase(dims.begin() + static_cast<ptrdiff_t>(i));
    for (std::vector<int64_t>& s : strides) s.erase(s.begin() + static_cast<ptrdiff_t>(i));
  }
}

/// Visits the elements of a row-major tensor of shape `dims` one innermost row at a time:
/// inner(first, count, offsets, steps), `first` the row's index in the tensor, and for each operand
/// where its row begins and how far its elements lie apart.
template <size_t N, class Inner>
void walk(Shape dims, WalkStrides<N> strides, Inner inner) {
  if (element_count(dims) <= 0) return;
  join_dimensions<N>(dims, strides);
  std::array<int64_t, N> offsets{}, steps{};
  if (dims.empty()) return inner(int64_t{0}, int64_t{1}, offsets, steps);
  const size_t last = dims.size() - 1;
  const int64_t count = dims[last];
  for (size_t n = 0; n < N; ++n) steps[n] = strides[n][last];
  std::vector<int64_t> index(dims.size(), 0);
  for (int64_t first = 0;; first += count) {
    inner(first, count, offsets, steps);
    size_t axis = last;
    for (;;) {
      if (axis == 0) return;
      --axis;
      for (size_t n = 0; n < N; ++n) offsets[n] += strides[n][axis];
      if (++index[axis] < dims[axis]) break;
      for (size_t n = 0; n < N; ++n) offsets[n] -= strides[n][axis] * dims[axis];
      index[axis] = 0;
    }
  }
}

/// y = the elements of x read with these strides (a transpose, slice or broadcast).
template <class T>
void copy_strided(const T* x, const Shape& dims, const std::vector<int64_t>& strides, T* y) {
  walk<1>(dims, {strides},
          [&](int64_t first, int64_t count, const auto& offsets, const auto& steps) {
            for (int64_t i = 0; i < count; ++i) y[first + i] = x[offsets[0] + i * steps[0]];
          });
}

/// y = f(a, b), NumPy broadcast.
template <class T, class Y, class F>
void broadcast_binary(const T* a, const Shape& a_shape, const T* b, const Shape& b_shape,
                      const Shape& out, Y* y, F f) {
  walk<2>(out, {broadcast_strides(a_shape, out), broadcast_strides(b_shape, out)},
          [&](int64_t first, int64_t count, const auto& offsets, const auto& steps) {
            const T* pa = a + offsets[0];
            const T* pb = b + offsets[1];
            Y* row = y + first;
            if (steps[0] == 1 && steps[1] == 1) {
              for (int64_t i = 0; i < count; ++i) row[i] = f(pa[i], pb[i]);
            } else if (steps[0] == 1 && steps[1] == 0) {
              for (int64_t i = 0; i < count; ++i) row[i] = f(pa[i], *pb);
            } else {
              for (int64_t i = 0; i < count; ++i) {
                row[i] = f(pa[i * steps[0]], pb[i * steps[1]]);
              }
            }
          });
}

/// A tensor around one axis: outer blocks of `length` slices of `inner` elements.
struct AxisView {
  int64_t outer = 1, length = 1, inner = 1;
  AxisView(const Shape& shape, size_t axis) {
    for (size_t i = 0; i < shape.size(); ++i) {
      (i < axis ? outer : i == axis ? length : inner) *= shape[i];
    }
  }
};

}  // namespace heed::graph
