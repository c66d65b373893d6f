#include <cmath>

#include "ops/quantize/quantize.h"
#include "ops/simd/scalar_math.h"

namespace heed {
namespace {

float largest(const float* x, int32_t n) {
  float largest = 0.0f;
  for (int32_t i = 0; i < n; ++i) largest = scalar::max(largest, std::fabs(x[i]));
  return largest;
}

int32_t group_width(int32_t group, int32_t n) { return group <= 0 || group >= n ? n : group; }

/// Returns the scale.
float quantize_group(const float* x, int32_t n, float absmax, int8_t* q) {
  if (absmax < kQuantizeTiny) {
    for (int32_t i = 0; i < n; ++i) q[i] = 0;
    return 0.0f;
  }
  const float inverse = 127.0f / absmax;
  for (int32_t i = 0; i < n; ++i) {
    const float rounded = std::nearbyint(x[i] * inverse);
    q[i] = static_cast<int8_t>(rounded > 127.0f ? 127.0f : rounded > -127.0f ? rounded : -127.0f);
  }
  return absmax / 127.0f;
}

void quantize(const QuantizeArgs& args) {
  const int32_t group = group_width(args.group, args.n);
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* x = args.x + m * args.x_step;
    int8_t* q = args.q + m * args.q_step;
    for (int32_t begin = 0, g = 0; begin < args.n; begin += group, ++g) {
      const int32_t n = begin + group < args.n ? group : args.n - begin;
      const bool known = args.absmax != nullptr && group == args.n;
      const float absmax = known ? args.absmax[m] : largest(x + begin, n);
      args.scale[m * args.scale_step + g] = quantize_group(x + begin, n, absmax, q + begin);
    }
    for (int32_t i = args.n; i % kQuantizePad != 0; ++i) q[i] = 0;
  }
}

void dequantize(const DequantizeArgs& args) {
  const int32_t group = group_width(args.group, args.n);
  for (int32_t m = 0; m < args.rows; ++m) {
    const float* scale = args.scale + m * args.scale_step;
    for (int32_t i = 0; i < args.n; ++i) {
      const auto q = static_cast<float>(args.q[m * args.q_step + i]);
      args.y[m * args.y_step + i] = scale[i / group] * q;
    }
  }
}

void find_absmax(const RowsArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m)
    args.absmax[m] = largest(args.x + m * args.x_step, args.n);
}

}  // namespace

extern const QuantizeKernel kQuantizeReference;
const QuantizeKernel kQuantizeReference = {"reference", IsaSet(), quantize, dequantize,
                                           find_absmax};

}  // namespace heed
