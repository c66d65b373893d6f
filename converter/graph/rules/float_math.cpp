#include "converter/graph/rules/float_math.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/isa.h"
#include "ops/matmul/matmul.h"

namespace heed::graph {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

void mask_scores(const AttentionTask& task, int64_t b, int64_t h, float* scores) {
  for (int64_t t = 0; t < task.queries; ++t) {
    float* row = scores + t * task.keys;
    if (task.softcap > 0) {
      for (int64_t s = 0; s < task.keys; ++s) {
        row[s] = task.softcap * std::tanh(row[s] / task.softcap);
      }
    }
    if (task.mask != nullptr) {
      const float* added = task.mask + b * task.mask_step[0] + h * task.mask_step[1] +
                           t * task.mask_step[2];
      for (int64_t s = 0; s < task.keys; ++s) row[s] += added[s * task.mask_step[3]];
    }
    const int64_t last = task.causal ? t + task.causal_offset : task.keys - 1;
    const int64_t seen_end = task.causal ? t + task.causal_offset : t + task.keys - task.queries;
    for (int64_t s = std::max<int64_t>(last + 1, 0); s < task.keys; ++s) row[s] = kMinusInfinity;
    if (task.window > 0) {
      const int64_t first = std::clamp<int64_t>(seen_end - task.window + 1, 0, task.keys);
      for (int64_t s = 0; s < first; ++s) row[s] = kMinusInfinity;
    }
  }
}

}  // namespace

namespace {

const MatmulKernel& best_matmul() {
  static const MatmulKernel* const best = [] {
    const MatmulKernelList list = matmul_kernels();
    const IsaSet machine = detect_isa();
    size_t i = 0;
    while (i + 1 < list.count && !machine.contains(list.items[i]->isa)) ++i;
    return list.items[i];
  }();
  return *best;
}

void run_packed(const Product& p, const float* packed) {
  MatmulArgs args{};
  args.a = p.a;
  args.a_step = p.a_step;
  args.b = packed;
  args.b_block_step = p.k * kMatmulBlockN;
  args.b_k_step = kMatmulBlockN;
  args.c = p.y;
  args.c_step = p.y_step;
  args.rows = static_cast<int32_t>(p.m);
  args.k = static_cast<int32_t>(p.k);
  best_matmul().run(args, 0, static_cast<int32_t>(p.n));
}

/// b as blocks of 16 columns, [N/16][K][16]: every block is then read in one run.
std::vector<float> packed_columns(const Product& p) {
  std::vector<float> packed(
      matmul_packed_floats(static_cast<int32_t>(p.n), static_cast<int32_t>(p.k)), 0.0f);
  for (int64_t n = 0; n < p.n; n += kMatmulBlockN) {
    const int64_t width = std::min<int64_t>(kMatmulBlockN, p.n - n);
    float* to = packed.data() + n * p.k;
    for (int64_t k = 0; k < p.k; ++k, to += kMatmulBlockN) {
      std::copy_n(p.b + k * p.b_step + n, width, to);
    }
  }
  return packed;
}

}  // namespace

// Sums are one chain of fused multiply-adds in ascending k on every machine.
void multiply(const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  run_packed(p, packed_columns(p).data());
}

void multiply_transposed(const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  std::vector<float> packed(
      matmul_packed_floats(static_cast<int32_t>(p.n), static_cast<int32_t>(p.k)), 0.0f);
  for (int64_t n = 0; n < p.n; ++n) {
    float* to = packed.data() + (n / kMatmulBlockN) * kMatmulBlockN * p.k + n % kMatmulBlockN;
    for (int64_t k = 0; k < p.k; ++k) to[k * kMatmulBlockN] = p.b[n * p.b_step + k];
  }
  run_packed(p, packed.data());
}

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

bool apply_activation(const std::string& name, float* x, int64_t count) {
  auto each = [&](auto f) {
    for (int64_t i = 0; i < count; ++i) x[i] = f(x[i]);
    return true;
  };
  if (name.empty()) return true;
  if (name == "Relu") return each([](float v) { return std::max(v, 0.0f); });
  if (name == "GeluErf") {
    return each([](float v) { return 0.5f * v * (1.0f + std::erf(v * 0.70710678f)); });
  }
  if (name == "GeluTanh") {
    return each([](float v) {
      return 0.5f * v * (1.0f + std::tanh(0.79788456f * (v + 0.044715f * v * v * v)));
    });
  }
  if (name == "GeluSigmoid") return each([](float v) { return v * sigmoid(1.702f * v); });
  if (name == "Silu") return each([](float v) { return v * sigmoid(v); });
  if (name == "Sigmoid") return each(sigmoid);
  if (name == "Tanh") return each([](float v) { return std::tanh(v); });
  return false;
}

void softmax_row(float* x, int64_t count) {
  if (count == 0) return;
  const float top = *std::max_element(x, x + count);
  if (top == kMinusInfinity) {
    std::fill_n(x, count, 0.0f);
    return;
  }
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    x[i] = std::exp(x[i] - top);
    sum += x[i];
  }
  for (int64_t i = 0; i < count; ++i) x[i] /= sum;
}

void normalize_row(const NormRow& row) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < row.count; ++i) sum += static_cast<double>(row.x[i]);
  const double mean = row.center ? sum / static_cast<double>(row.count) : 0.0;
  for (int64_t i = 0; i < row.count; ++i) {
    const double apart = static_cast<double>(row.x[i]) - mean;
    squares += apart * apart;
  }
  const double variance = squares / static_cast<double>(row.count);
  const double factor = 1.0 / std::sqrt(variance + static_cast<double>(row.epsilon));
  for (int64_t i = 0; i < row.count; ++i) {
    float y = static_cast<float>((static_cast<double>(row.x[i]) - mean) * factor);
    if (row.gamma != nullptr) y *= row.gamma[i];
    if (row.beta != nullptr) y += row.beta[i];
    row.y[i] = y;
  }
}

void attend(const AttentionTask& task) {
  const int64_t queries = task.queries, keys = task.keys;
  std::vector<float> scores(static_cast<size_t>(queries * keys));
  for (int64_t b = 0; b < task.batch; ++b) {
    for (int64_t h = 0; h < task.heads; ++h) {
      const int64_t group = h / (task.heads / task.kv_heads);
      const float* q = task.q.data + b * task.q.batch + h * task.q.head;
      const float* k = task.k.data + b * task.k.batch + group * task.k.head;
      const float* v = task.v.data + b * task.v.batch + group * task.v.head;
      float* y = task.y.data + b * task.y.batch + h * task.y.head;
      multiply_transposed({q, task.q.row, k, task.k.row, scores.data(), keys, queries,
                           task.head_width, keys});
      for (float& score : scores) score *= task.scale;
      mask_scores(task, b, h, scores.data());
      for (int64_t t = 0; t < queries; ++t) softmax_row(scores.data() + t * keys, keys);
      multiply({scores.data(), keys, v, task.v.row, y, task.y.row, queries, keys,
                task.value_width});
    }
  }
}

}  // namespace heed::graph
