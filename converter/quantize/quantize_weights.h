#pragma once
// Trained weights as the kernels read them: symmetric int8 with one scale per output, or float32
// in blocks of 16 outputs.

#include <cstdint>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed {

/// int8 rows: value = scale[row] * q, q in [-127, 127]. An all-zero row has scale 0 and zeros.
struct QuantizedRows {
  int64_t rows = 0, width = 0;
  std::vector<int8_t> q;       // [rows][width]
  std::vector<float> scale;    // [rows]
};

/// Quantises each row of a [rows, width] constant. A row that lies on a grid of int8 already keeps
/// it: what was quantised before is not rounded again. Else of a few clippings of the row's largest
/// value (none included), takes the one with the least squared error. Throws ConvertError that
/// names `label` where a value is NaN or infinite.
QuantizedRows quantize_rows(const graph::Constant& weights, const std::string& label);

/// The operands of a linear with layout k4n16; padded outputs have zeros everywhere.
struct PackedLinear {
  int64_t n_padded = 0, k_padded = 0, groups = 0;
  std::vector<int8_t> weights;   // [n_padded/16][k_padded/4][16][4]
  std::vector<float> scale;      // [n_padded]
  std::vector<int32_t> sum;      // [groups][n_padded]
};

/// Packs weights [N, window * row_width] for rows of x that are padded to a multiple of 16 each
/// and hold one scale per `group` values (0: per row).
PackedLinear pack_int8(const QuantizedRows& rows, int64_t window, uint32_t group);

/// Packs weights [N, K] with layout f32_n16. Throws ConvertError as quantize_rows does.
std::vector<float> pack_float(const graph::Constant& weights, const std::string& label);

/// A bias of N values, or none, followed by zeros up to n_padded.
std::vector<float> padded_bias(const graph::Constant* bias, int64_t n_padded,
                               const std::string& label);

/// Throws ConvertError that names `label` and the first bad place where a value is NaN or infinite.
void require_finite(const graph::Constant& constant, const std::string& label);

}  // namespace heed
