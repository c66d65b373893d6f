// The Fourier transform of real rows: two products with constant matrices. Complex values exist as
// their parts.

#include <algorithm>
#include <cmath>
#include <utility>

#include "converter/tflite/op_writer.h"

namespace heed::tflite {
namespace {

using Op = tfl::BuiltinOperator;

constexpr int64_t kLengthMax = 4096;
constexpr double kTwoPi = 6.283185307179586476925286766559;

/// [rows, length / 2 + 1]: cos or -sin of 2 pi row bin / length.
ValueId basis(OpWriter& w, int64_t rows, int64_t length, bool imaginary) {
  const int64_t bins = length / 2 + 1;
  std::vector<float> table;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t bin = 0; bin < bins; ++bin) {
      const double angle =
          kTwoPi * static_cast<double>(row * bin % length) / static_cast<double>(length);
      table.push_back(static_cast<float>(imaginary ? -std::sin(angle) : std::cos(angle)));
    }
  }
  return w.floats({rows, bins}, std::move(table));
}

/// Over the last dimension only: [.., 1, width], cut or padded with zeros to the length.
Ids rfft_2d(OpWriter& w) {
  ValueId x = w.in(0);
  const Ints lengths = w.ints_in(1, "lengths");
  w.need(lengths.size() == 2 && lengths[0] == 1, "only transforms of rows are supported");
  const int64_t rank = w.rank_in(0), length = lengths[1];
  w.need(length > 0 && length <= kLengthMax && length % 2 == 0, "its length is not supported");
  w.need(rank >= 2 && w.shape(x)[static_cast<size_t>(rank) - 2] == 1,
         "only transforms of rows are supported");
  const int64_t width = w.shape(x).back();
  if (width > length) x = w.slice(x, rank - 1, 0, length);
  const int64_t rows = std::min(width, length);
  const ValueId real = w.node("MatMul", {x, basis(w, rows, length, false)});
  return {real, w.node("MatMul", {x, basis(w, rows, length, true)})};
}

Ids real(OpWriter& w) { return {w.complex_in(0).value}; }
Ids imag(OpWriter& w) { return {w.complex_in(0).imaginary}; }

Ids complex_abs(OpWriter& w) {
  const Operand& z = w.complex_in(0);
  const ValueId square =
      w.node("Add", {w.node("Mul", {z.value, z.value}), w.node("Mul", {z.imaginary, z.imaginary})});
  return {w.node("Sqrt", {square})};
}

}  // namespace

bool gives_complex(int32_t op_code) { return op_code == static_cast<int32_t>(Op::RFFT2D); }

std::vector<OpRecipe> signal_recipes() {
  return {
      {Op::COMPLEX_ABS, complex_abs}, {Op::IMAG, imag}, {Op::REAL, real}, {Op::RFFT2D, rfft_2d}};
}

}  // namespace heed::tflite
