// The normative arithmetic of attention, one key at a time. Every variant returns these bits.

#include <math.h>
#include <string.h>

#include <cmath>

#include "ops/attention/attention.h"
#include "ops/attention/attention_layout.h"

namespace heed {
extern const AttentionKernel kAttentionReference;

namespace {

uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

template <class T>
T* at(void* base, size_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}
template <class T>
const T* at(const void* base, size_t offset) {
  return reinterpret_cast<const T*>(static_cast<const char*>(base) + offset);
}

float larger(float a, float b) { return a > b ? a : b; }
float smaller(float a, float b) { return a < b ? a : b; }

struct Quantiser {
  float inverse, scale;
};
Quantiser quantiser_of(float amax) {
  return amax < kTiny ? Quantiser{0.0f, 1.0f} : Quantiser{127.0f / amax, amax / 127.0f};
}

int8_t quantise(float x, float inverse) {
  return static_cast<int8_t>(bits_of(std::fma(x, inverse, kRounder)) & 0xff);
}

float mean_of(const AttentionRows& rows, int32_t d) {
  float sum = 0.0f;
  for (int32_t s = 0; s < rows.keys; ++s) sum += rows.x[s * rows.step + d];
  return sum * (1.0f / static_cast<float>(rows.keys));
}

void pack_keys(const AttentionRows& keys, bool subtract_mean, void* packed) {
  const KeysLayout layout(keys.keys, keys.width);
  auto* const k8 = at<int8_t>(packed, 0);
  auto* const scale = at<float>(packed, layout.scale_at);
  auto* const start = at<int32_t>(packed, layout.start_at);
  memset(packed, 0, layout.bytes);
  float scale_max = 0.0f;
  float mean[kAttentionWidthMax] = {};
  for (int32_t d = 0; subtract_mean && d < keys.width; ++d) mean[d] = mean_of(keys, d);
  for (int32_t s = 0; s < layout.blocks * kBlock; ++s) {
    const float* const row = keys.x + (s < keys.keys ? s : keys.keys - 1) * keys.step;
    float amax = 0.0f;
    for (int32_t d = 0; d < keys.width; ++d) amax = larger(amax, fabsf(row[d] - mean[d]));
    const Quantiser q = quantiser_of(amax);
    scale[s] = float_of(bits_of(q.scale) & ~3u);
    scale_max = larger(scale_max, scale[s]);
    at<float>(packed, layout.offset_at)[s] = -kRounder * scale[s];
    start[s] = kRounderBits;
    int8_t* const block = k8 + static_cast<ptrdiff_t>(s / kBlock) * layout.groups * 64;
    for (int32_t d = 0; d < keys.width; ++d) {
      const int8_t value = quantise(row[d] - mean[d], q.inverse);
      block[d / 4 * 64 + s % kBlock * 4 + d % 4] = value;
      start[s] -= 128 * value;
    }
  }
  for (int32_t i = 0; i < kBlock; ++i) at<float>(packed, layout.scale_max_at)[i] = scale_max;
}

void pack_values(const AttentionRows& values, void* packed) {
  const ValuesLayout layout(values.keys, values.width);
  auto* const v8 = at<int8_t>(packed, 0);
  auto* const scale = at<float>(packed, layout.scale_at);
  auto* const sum = at<int32_t>(packed, layout.sum_at);
  const int32_t width = layout.blocks * kBlock;
  memset(packed, 0, layout.bytes);
  for (int32_t d = 0; d < width; ++d) {
    const int32_t keys = d < values.width ? values.keys : 0;
    float amax = 0.0f;
    for (int32_t s = 0; s < keys; ++s) amax = larger(amax, fabsf(values.x[s * values.step + d]));
    const Quantiser q = quantiser_of(amax);
    scale[d] = q.scale;
    for (int32_t s = 0; s < keys; ++s) {
      const int8_t value = quantise(values.x[s * values.step + d], q.inverse);
      v8[static_cast<ptrdiff_t>(s / 4) * width * 4 + d * 4 + s % 4] = value;
      sum[(s / kTile + 1) * width + d] += value;
    }
    for (int32_t tile = 0; tile < layout.tiles; ++tile)
      sum[(tile + 1) * width + d] += sum[tile * width + d];
  }
}

struct Row {
  const int8_t* q8;
  float factor;  // steps per unit of q8 k8 * k_scale
  int32_t begin, end;
  const float* mask;
};

/// The logit of a key in steps.
int32_t steps_of(const AttentionArgs& args, const Row& row, int32_t key) {
  if (key < row.begin || key >= row.end) return kStepsNone;
  if (row.mask != nullptr && row.mask[key] == -INFINITY) return kStepsNone;
  const KeysLayout layout(args.keys, args.head_width);
  const int8_t* const block =
      at<int8_t>(args.packed_keys, 0) + static_cast<ptrdiff_t>(key / kBlock) * layout.groups * 64;
  int32_t dot = 0;
  for (int32_t g = 0; g < layout.groups; ++g) {
    const int8_t* const k = block + g * 64 + key % kBlock * 4;
    for (int32_t i = 0; i < 4; ++i) dot += row.q8[g * 4 + i] * k[i];
  }
  float x =
      (static_cast<float>(dot) * at<float>(args.packed_keys, layout.scale_at)[key]) * row.factor;
  if (row.mask != nullptr) x = std::fma(row.mask[key], kStepsPerUnit, x);
  x = larger(-kStepsBound, x < kStepsBound ? x : kStepsBound);
  return static_cast<int32_t>(std::nearbyint(x));
}

/// The quantised probability of a key whose logit lies t steps below the largest.
uint32_t probability(int64_t t, int32_t key, int32_t keys) {
  if (t >= 1024) return 0;
  const uint32_t power = static_cast<uint32_t>(kExpTable.value[t % 64]) >> (t / 64);
  return (power + (keys >= kAttentionDitherKeys ? dither_of(key % kTile) : 128)) >> 8;
}

/// Probabilities of a row; returns their sum.
uint32_t softmax_row(const AttentionArgs& args, const Row& row, int32_t* p) {
  int32_t most = kStepsNone;
  for (int32_t s = 0; s < args.keys; ++s) {
    p[s] = steps_of(args, row, s);
    most = p[s] > most ? p[s] : most;
  }
  uint32_t sum = 0;
  for (int32_t s = 0; s < args.keys; ++s) {
    const int64_t below = int64_t{most} - p[s];
    const uint32_t share = p[s] == kStepsNone ? 0 : probability(below, s, args.keys);
    p[s] = static_cast<int32_t>(share);
    sum += share;
  }
  return sum;
}

/// y[0 .. count-1] of the value channels from d0 on; count <= kBlock.
void weigh_values(const AttentionArgs& args, const int32_t* p, float inverse, int32_t d0,
                  float* y) {
  const ValuesLayout layout(args.keys, args.value_width);
  const auto* const v8 = at<int8_t>(args.packed_values, 0);
  const auto* const v_scale = at<float>(args.packed_values, layout.scale_at);
  int32_t dot[kBlock] = {};
  for (int32_t s = 0; s < args.keys; ++s) {
    const int8_t* const v =
        v8 + (static_cast<ptrdiff_t>(s / 4) * layout.blocks * kBlock + d0) * 4 + s % 4;
    for (int32_t i = 0; i < kBlock; ++i) dot[i] += p[s] * v[i * 4];
  }
  for (int32_t i = 0; i < kBlock && d0 + i < args.value_width; ++i) {
    y[d0 + i] = (static_cast<float>(dot[i]) * inverse) * v_scale[d0 + i];
  }
}

void run(const AttentionArgs& args, void* scratch) {
  auto* const p = static_cast<int32_t*>(scratch);
  for (int32_t r = 0; r < args.rows; ++r) {
    const float* const q = args.q + r * args.q_step;
    float amax = 0.0f;
    for (int32_t d = 0; d < args.head_width; ++d) amax = larger(amax, fabsf(q[d]));
    const Quantiser quantiser = quantiser_of(amax);
    int8_t q8[kAttentionWidthMax] = {};
    for (int32_t d = 0; d < args.head_width; ++d) q8[d] = quantise(q[d], quantiser.inverse);
    const int32_t end = args.causal ? args.position + r + 1 : args.keys;
    const int32_t begin = args.window > 0 ? end - args.window : 0;
    const float* const mask = args.mask == nullptr ? nullptr : args.mask + r * args.mask_step;
    const float k_scale_max =
        *at<float>(args.packed_keys, KeysLayout(args.keys, args.head_width).scale_max_at);
    const float factor = smaller(quantiser.scale * args.scale * kStepsPerUnit,
                                 step_factor_bound(k_scale_max, args.head_width));
    const uint32_t sum = softmax_row(args, {q8, factor, begin, end, mask}, p);
    const float inverse = sum == 0 ? 0.0f : 1.0f / static_cast<float>(sum);
    for (int32_t d = 0; d < args.value_width; d += kBlock) {
      weigh_values(args, p, inverse, d, args.y + r * args.y_step);
    }
    for (int32_t s = 0; args.map != nullptr && s < args.keys; ++s) {
      args.map[r * args.map_step + s] = static_cast<float>(p[s]) * inverse;
    }
  }
}

}  // namespace

const AttentionKernel kAttentionReference = {"reference", IsaSet(), pack_keys, pack_values, run};

}  // namespace heed
