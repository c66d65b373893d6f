#pragma once
// The arithmetic that several families of rules share: products, activations, softmax, norms and
// attention over float32 rows.

#include <cstdint>
#include <string>

namespace heed::graph {

/// y[M,N] = a[M,K] b[K,N]; rows lie a_step, b_step, y_step floats apart.
struct Product {
  const float* a;
  int64_t a_step;
  const float* b;
  int64_t b_step;
  float* y;
  int64_t y_step;
  int64_t m, k, n;
};
void multiply(const Product& product);
/// The same with b given as rows of outputs, [N,K].
void multiply_transposed(const Product& product);

/// "" none, "Relu", "GeluErf", "GeluTanh", "GeluSigmoid", "Silu", "Sigmoid", "Tanh", in place.
/// Returns false where the name is none of these.
bool apply_activation(const std::string& name, float* x, int64_t count);

float sigmoid(float x);

/// One row in place: exp(x - max) / sum. A row of -inf becomes zeros.
void softmax_row(float* x, int64_t count);

/// y = (x - mean) / sqrt(var + epsilon) * gamma + beta; without `center` the root mean square.
/// gamma and beta may be null.
struct NormRow {
  const float* x;
  const float* gamma;
  const float* beta;
  float* y;
  int64_t count;
  float epsilon;
  bool center;
};
void normalize_row(const NormRow& row);

/// Where the heads of q, k, v or the output lie: element d of head h of row t of batch b is at
/// data[b * batch + t * row + h * head + d].
template <class T>
struct HeadView {
  T* data;
  int64_t batch, row, head;
};

struct AttentionTask {
  HeadView<const float> q, k, v;
  HeadView<float> y;
  int64_t batch, queries, keys, heads, kv_heads, head_width, value_width;
  float scale;
  const float* mask = nullptr;      // added to the scores
  int64_t mask_step[4] = {};        // of b, h, t, s
  bool causal = false;              // query t sees keys 0 .. t + causal_offset
  int64_t causal_offset = 0;
  int64_t window = 0;               // and of those the last `window`; 0: all
  float softcap = 0;                // 0: none; else softcap * tanh(score / softcap)
};
void attend(const AttentionTask& task);

}  // namespace heed::graph
