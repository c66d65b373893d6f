#include <cmath>

#include "ops/cached_attention/cached_attention.h"
#include "ops/simd/scalar_math.h"

namespace heed {
namespace {

constexpr float kTiny = 0x1p-100f;

/// Returns the scale.
float quantise(const float* x, int32_t n, int8_t* q) {
  float absmax = 0.0f;
  for (int32_t i = 0; i < n; ++i) absmax = scalar::max(absmax, std::fabs(x[i]));
  const bool zero = absmax < kTiny;
  const float inverse = zero ? 0.0f : 127.0f / absmax;
  for (int32_t i = 0; i < n; ++i) {
    const float rounded = std::nearbyint(x[i] * inverse);
    q[i] = static_cast<int8_t>(rounded > 127.0f ? 127.0f : rounded > -127.0f ? rounded : -127.0f);
  }
  return zero ? 0.0f : absmax / 127.0f;
}

int32_t key_value(const CachedAttentionArgs& args, int32_t s, int32_t d) {
  const int32_t block = s / kCachedPanelRows * kCachedPanelRows;
  return args.k.q[block * args.head_width + d / 4 * 4 * kCachedPanelRows + (s - block) * 4 + d % 4];
}
int32_t value(const CachedAttentionArgs& args, int32_t s, int32_t d) {
  return args.v.q[s / 4 * 4 * args.value_width + 4 * d + s % 4];
}

float logit(const CachedAttentionArgs& args, const int8_t* q8, float c, int32_t s) {
  int32_t dot = 0;
  for (int32_t d = 0; d < args.head_width; ++d) dot += q8[d] * key_value(args, s, d);
  const float z = static_cast<float>(dot) * (args.k.scale[s] * c);
  return args.mask ? z + args.mask[s] : z;
}

float run(const CachedAttentionArgs& args, void*) {
  int8_t q8[kCachedWidthMax];
  const float c = quantise(args.q, args.head_width, q8) * args.scale;
  float lanes[16];
  for (float& lane : lanes) lane = -HUGE_VALF;
  for (int32_t s = args.begin; s < args.end; ++s) {
    args.p[s] = logit(args, q8, c, s);
    lanes[s % 16] = scalar::max(lanes[s % 16], args.p[s]);
  }
  const float highest = scalar::lane_max(lanes);
  const float max = highest == -HUGE_VALF ? 0.0f : highest;

  float sums[16] = {}, largest = 0.0f;
  for (int32_t s = args.begin; s < args.end; ++s) {
    args.p[s] = scalar::exp(args.p[s] - max);
    sums[s % 16] += args.p[s];
    largest = scalar::max(largest, args.p[s] * args.v.scale[s]);
  }
  const float sum = scalar::lane_sum(sums);
  const bool nothing = largest < kTiny;
  const float to_weight = nothing ? 0.0f : 16383.0f / largest;
  const float factor = nothing ? 0.0f : largest / 16383.0f / sum;
  for (int32_t d = 0; d < args.value_width; ++d) {
    int64_t total = 0;
    for (int32_t s = args.begin; s < args.end; ++s) {
      const float u = args.p[s] * args.v.scale[s];
      // Scales of a hostile state may make it anything: what is no weight weighs nothing.
      const float rounded = std::nearbyint(u * to_weight);
      const auto w = std::fabs(rounded) <= 16383.0f ? static_cast<int32_t>(rounded) : 0;
      total += int64_t{w} * value(args, s, d);
    }
    args.y[d] = static_cast<float>(total) * factor;
  }
  return sum;
}

}  // namespace

extern const CachedAttentionKernel kCachedAttentionReference;
const CachedAttentionKernel kCachedAttentionReference = {"reference", IsaSet(), run};

}  // namespace heed
