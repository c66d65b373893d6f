#include "converter/graph/rules/float_math.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

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

// Four rows of a against a panel of b that stays in the cache.
void multiply(const Product& p) {
  constexpr int64_t kPanelK = 256, kPanelN = 256;
  for (int64_t i = 0; i < p.m; ++i) std::fill_n(p.y + i * p.y_step, p.n, 0.0f);
  for (int64_t k0 = 0; k0 < p.k; k0 += kPanelK) {
    const int64_t k1 = std::min(p.k, k0 + kPanelK);
    for (int64_t n0 = 0; n0 < p.n; n0 += kPanelN) {
      const int64_t width = std::min(p.n - n0, kPanelN);
      int64_t i = 0;
      for (; i + 4 <= p.m; i += 4) {
        const float* a = p.a + i * p.a_step;
        float* y0 = p.y + i * p.y_step + n0;
        float* y1 = y0 + p.y_step;
        float* y2 = y1 + p.y_step;
        float* y3 = y2 + p.y_step;
        for (int64_t k = k0; k < k1; ++k) {
          const float* b = p.b + k * p.b_step + n0;
          const float a0 = a[k], a1 = a[p.a_step + k];
          const float a2 = a[2 * p.a_step + k], a3 = a[3 * p.a_step + k];
          for (int64_t j = 0; j < width; ++j) {
            y0[j] += a0 * b[j];
            y1[j] += a1 * b[j];
            y2[j] += a2 * b[j];
            y3[j] += a3 * b[j];
          }
        }
      }
      for (; i < p.m; ++i) {
        float* y = p.y + i * p.y_step + n0;
        for (int64_t k = k0; k < k1; ++k) {
          const float a = p.a[i * p.a_step + k];
          const float* b = p.b + k * p.b_step + n0;
          for (int64_t j = 0; j < width; ++j) y[j] += a * b[j];
        }
      }
    }
  }
}

void multiply_transposed(const Product& p) {
  std::vector<float> b(static_cast<size_t>(p.k * p.n));
  for (int64_t n = 0; n < p.n; ++n) {
    for (int64_t k = 0; k < p.k; ++k) b[static_cast<size_t>(k * p.n + n)] = p.b[n * p.b_step + k];
  }
  Product plain = p;
  plain.b = b.data();
  plain.b_step = p.n;
  multiply(plain);
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
