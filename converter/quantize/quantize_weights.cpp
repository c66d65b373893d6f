#include "converter/quantize/quantize_weights.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "converter/graph/convert_error.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"

namespace heed {
namespace {

int64_t padded(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int8_t to_int8(float value, float inverse) {
  const float q = std::nearbyint(value * inverse);
  return static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f));
}

double squared_error(const float* row, int64_t width, float scale) {
  const float inverse = 1.0f / scale;
  double error = 0;
  for (int64_t k = 0; k < width; ++k) {
    const double d = row[k] - scale * static_cast<float>(to_int8(row[k], inverse));
    error += d * d;
  }
  return error;
}

/// The step of a grid with at most 127 points on either side of zero on which the whole row lies:
/// so do weights that were quantised before, and another step would round them again. 0 where there
/// is none.
float step_of_grid(const float* row, int64_t width, float absmax) {
  constexpr float kTolerance = 5e-7f;  // of a value: three roundings of float32
  for (int points = 1; points <= 127; ++points) {
    const float step = absmax / static_cast<float>(points);
    if (!(step > 1e-37f)) return 0.0f;
    const float inverse = 1.0f / step;
    const bool fits = std::all_of(row, row + width, [&](float w) {
      const float on_grid = step * static_cast<float>(to_int8(w, inverse));
      return std::fabs(w - on_grid) <= kTolerance * std::fabs(w);
    });
    if (fits) return points == 1 ? 0.0f : step;  // one magnitude says nothing
  }
  return 0.0f;
}

/// Clipping trades the largest weights for finer steps of the others; below 0.8 it never pays for
/// the bell-shaped rows that training leaves.
float best_scale(const float* row, int64_t width, float absmax) {
  const float plain = absmax / 127.0f;
  // A scale too small to invert (denormal weights) stands for zero.
  if (!(plain > 1e-37f)) return 0.0f;
  const float given = step_of_grid(row, width, absmax);
  if (given > 0) return given;
  float best = plain;
  double least = squared_error(row, width, plain);
  for (int step = 1; step <= 8; ++step) {
    const float scale = plain * (1.0f - 0.025f * static_cast<float>(step));
    const double error = squared_error(row, width, scale);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

}  // namespace

void require_finite(const graph::Constant& constant, const std::string& label) {
  const auto bad = std::find_if(constant.f32.begin(), constant.f32.end(),
                                [](float v) { return !std::isfinite(v); });
  if (bad == constant.f32.end()) return;
  throw ConvertError(
      std::string("element ") + std::to_string(bad - constant.f32.begin()) +
          (std::isnan(*bad) ? " is NaN" : " is infinite"),
      "weights '" + label + "'", "Export the model again from a checkpoint with finite weights");
}

QuantizedRows quantize_rows(const graph::Constant& weights, const std::string& label) {
  require_finite(weights, label);
  QuantizedRows result;
  result.rows = weights.shape.at(0);
  result.width = weights.shape.at(1);
  result.q.resize(static_cast<size_t>(result.rows * result.width));
  result.scale.resize(static_cast<size_t>(result.rows));
  for (int64_t n = 0; n < result.rows; ++n) {
    const float* row = weights.f32.data() + n * result.width;
    float absmax = 0;
    for (int64_t k = 0; k < result.width; ++k) absmax = std::max(absmax, std::fabs(row[k]));
    const float scale = best_scale(row, result.width, absmax);
    result.scale[static_cast<size_t>(n)] = scale;
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    int8_t* q = result.q.data() + n * result.width;
    for (int64_t k = 0; k < result.width; ++k) q[k] = to_int8(row[k], inverse);
  }
  return result;
}

PackedLinear pack_int8(const QuantizedRows& rows, int64_t window, uint32_t group) {
  const int64_t row_width = rows.width / window;
  const int64_t step = padded(row_width, kLinearWidthMultiple);
  const int64_t group_width = group == 0 ? step : group;
  PackedLinear packed;
  packed.n_padded = padded(rows.rows, kLinearBlockN);
  packed.k_padded = window * step;
  packed.groups = packed.k_padded / group_width;

  std::vector<int8_t> spread(static_cast<size_t>(rows.rows * packed.k_padded));
  for (int64_t n = 0; n < rows.rows; ++n)
    for (int64_t w = 0; w < window; ++w)
      std::copy_n(rows.q.data() + n * rows.width + w * row_width, row_width,
                  spread.data() + n * packed.k_padded + w * step);

  const auto outputs = static_cast<int32_t>(rows.rows);
  packed.weights.resize(linear_packed_bytes(outputs, static_cast<int32_t>(packed.k_padded)));
  packed.sum.resize(static_cast<size_t>(packed.groups * packed.n_padded));
  pack_linear(spread.data(), outputs, static_cast<int32_t>(packed.groups),
              static_cast<int32_t>(group_width), packed.weights.data(), packed.sum.data());
  packed.scale = rows.scale;
  packed.scale.resize(static_cast<size_t>(packed.n_padded));
  return packed;
}

std::vector<float> pack_float(const graph::Constant& weights, const std::string& label) {
  require_finite(weights, label);
  const auto n = static_cast<int32_t>(weights.shape.at(0));
  const auto k = static_cast<int32_t>(weights.shape.at(1));
  std::vector<float> packed(matmul_packed_floats(n, k));
  pack_matmul(weights.f32.data(), n, k, packed.data());
  return packed;
}

std::vector<float> padded_bias(const graph::Constant* bias, int64_t n_padded,
                               const std::string& label) {
  std::vector<float> result;
  if (bias) {
    require_finite(*bias, label);
    result = bias->f32;
  }
  result.resize(static_cast<size_t>(n_padded));
  return result;
}

}  // namespace heed
