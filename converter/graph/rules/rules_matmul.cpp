// Matrix products: MatMul, Gemm, Einsum.

#include <algorithm>
#include <cstring>

#include "converter/graph/rules/einsum_terms.h"
#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

/// MatMul's operands as matrices: batch dimensions, and the last two after the transposes that
/// com.microsoft.FusedMatMul may ask for. A vector is a row on the left and a column on the right.
struct MatmulShape {
  Shape a_batch, b_batch, batch;
  int64_t m, k, n;
  bool a_vector, b_vector, a_transposed, b_transposed;
};

MatmulShape matmul_shape(const OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.need_dtype(1, DType::f32);
  Shape a = call.shape(0), b = call.shape(1);
  call.need(!a.empty() && !b.empty(), "a scalar is no matrix");
  MatmulShape s{};
  s.a_vector = a.size() == 1;
  s.b_vector = b.size() == 1;
  if (s.a_vector) a.insert(a.begin(), 1);
  if (s.b_vector) b.push_back(1);
  s.a_transposed = call.node.int_or("transA", 0) != 0;
  s.b_transposed = call.node.int_or("transB", 0) != 0;
  call.need(call.node.int_or("transBatchA", 0) == 0 && call.node.int_or("transBatchB", 0) == 0,
            "transposed batches are not supported");
  call.need(!(s.a_transposed && s.a_vector) && !(s.b_transposed && s.b_vector),
            "a vector cannot be transposed");
  s.m = a[a.size() - (s.a_transposed ? 1 : 2)];
  s.k = a[a.size() - (s.a_transposed ? 2 : 1)];
  s.n = b[b.size() - (s.b_transposed ? 2 : 1)];
  if (b[b.size() - (s.b_transposed ? 1 : 2)] != s.k) call.fail("the inner dimensions differ");
  s.a_batch.assign(a.begin(), a.end() - 2);
  s.b_batch.assign(b.begin(), b.end() - 2);
  s.batch = broadcast_shapes(call, s.a_batch, s.b_batch);
  return s;
}

void infer_matmul(OpCall& call) {
  const MatmulShape s = matmul_shape(call);
  Shape out = s.batch;
  if (!s.a_vector) out.push_back(s.m);
  if (!s.b_vector) out.push_back(s.n);
  call.result(0, DType::f32, out);
}

/// Rows and columns exchanged.
std::vector<float> transposed(const float* x, int64_t rows, int64_t columns) {
  std::vector<float> y(static_cast<size_t>(rows * columns));
  copy_strided(x, {columns, rows}, {1, columns}, y.data());
  return y;
}

void evaluate_matmul(OpCall& call) {
  const MatmulShape s = matmul_shape(call);
  const float *a = call.f32(0).data(), *b = call.f32(1).data();
  const float alpha = call.node.float_or("alpha", 1.0f);
  float* y = call.y().data();
  auto product = [&](const float* left, const float* right, float* to, int64_t rows) {
    std::vector<float> turned;
    if (s.a_transposed) {
      turned = transposed(left, s.k, s.m);
      left = turned.data();
    }
    const Product p{left, s.k, right, s.b_transposed ? s.k : s.n, to, s.n, rows, s.k, s.n};
    s.b_transposed ? multiply_transposed(p) : multiply(p);
  };
  if (s.b_batch.empty() && !s.a_transposed) {  // one weight for all rows
    product(a, b, y, s.m * element_count(s.a_batch));
  } else {
    walk<2>(s.batch, {broadcast_strides(s.a_batch, s.batch), broadcast_strides(s.b_batch, s.batch)},
            [&](int64_t first, int64_t count, const auto& at, const auto& steps) {
              for (int64_t i = 0; i < count; ++i) {
                product(a + (at[0] + i * steps[0]) * s.m * s.k,
                        b + (at[1] + i * steps[1]) * s.k * s.n, y + (first + i) * s.m * s.n, s.m);
              }
            });
  }
  if (alpha != 1.0f) {
    for (float& value : call.y()) value *= alpha;
  }
}

struct GemmShape {
  bool a_transposed, b_transposed;
  int64_t m, k, n;
};

GemmShape gemm_shape(const OpCall& call) {
  call.need_rank(0, 2);
  call.need_rank(1, 2);
  call.need_dtype(0, DType::f32);
  call.need_dtype(1, DType::f32);
  GemmShape s{};
  s.a_transposed = call.node.int_or("transA", 0) != 0;
  s.b_transposed = call.node.int_or("transB", 0) != 0;
  s.m = call.dim(0, s.a_transposed ? 1 : 0);
  s.k = call.dim(0, s.a_transposed ? 0 : 1);
  s.n = call.dim(1, s.b_transposed ? 0 : 1);
  call.need(call.dim(1, s.b_transposed ? 1 : 0) == s.k, "the inner dimensions differ");
  return s;
}

void infer_gemm(OpCall& call) {
  const GemmShape s = gemm_shape(call);
  const Shape out = {s.m, s.n};
  if (call.has(2) && broadcast_shapes(call, call.shape(2), out) != out) {
    call.fail("C is larger than the product");
  }
  call.result(0, DType::f32, out);
}

void evaluate_gemm(OpCall& call) {
  const GemmShape s = gemm_shape(call);
  std::vector<float> turned;
  const float* a = call.f32(0).data();
  if (s.a_transposed) {
    turned = transposed(a, s.k, s.m);
    a = turned.data();
  }
  const Product p{
      a, s.k, call.f32(1).data(), s.b_transposed ? s.k : s.n, call.y().data(), s.n, s.m, s.k, s.n};
  s.b_transposed ? multiply_transposed(p) : multiply(p);
  const float alpha = call.node.float_or("alpha", 1.0f), beta = call.node.float_or("beta", 1.0f);
  if (alpha != 1.0f) {
    for (float& value : call.y()) value *= alpha;
  }
  if (!call.has(2)) return;
  const Shape& out = call.results[0].shape;
  broadcast_binary(call.y().data(), out, call.f32(2).data(), call.shape(2), out, call.y().data(),
                   [=](float product, float c) { return product + beta * c; });
}

// -- Einsum. Every label of the equation gets a size and, per operand, a stride (0 where the
// operand lacks it). Sorted into batch, rows, columns and summed labels it is a batched product.

struct EinsumLabel {
  char name;
  int64_t size = 1;
  int64_t stride[2] = {0, 0};
  bool in[2] = {false, false};
};

struct EinsumPlan {
  std::vector<EinsumLabel> labels;
  std::string output;

  EinsumLabel& label(char name) {
    for (EinsumLabel& known : labels) {
      if (known.name == name) return known;
    }
    labels.push_back({name});
    return labels.back();
  }
};

void add_operand(const OpCall& call, EinsumPlan& plan, size_t operand, const std::string& term) {
  const Shape& shape = call.shape(operand);
  const std::vector<int64_t> strides = row_strides(shape);
  for (size_t i = 0; i < term.size(); ++i) {
    EinsumLabel& label = plan.label(term[i]);
    call.need(label.size == 1 || shape[i] == 1 || label.size == shape[i], "a label has two sizes");
    label.size = std::max(label.size, shape[i]);
    if (shape[i] == 0) label.size = 0;
    if (shape[i] != 1) label.stride[operand] += strides[i];
    label.in[operand] = true;
  }
}

EinsumPlan einsum_plan(const OpCall& call) {
  const EinsumTerms terms = einsum_terms(call);
  EinsumPlan plan;
  for (size_t i = 0; i < terms.operands.size(); ++i) {
    call.need_dtype(i, DType::f32);
    add_operand(call, plan, i, terms.operands[i]);
  }
  plan.output = terms.output;
  return plan;
}

void infer_einsum(OpCall& call) {
  EinsumPlan plan = einsum_plan(call);
  Shape out;
  for (char name : plan.output) out.push_back(plan.label(name).size);
  call.result(0, DType::f32, out);
}

struct LabelGroup {
  Shape sizes;
  std::vector<int64_t> strides[3];  // of operand 0, operand 1, the output
  int64_t count() const { return element_count(sizes); }
};

void evaluate_einsum(OpCall& call) {
  EinsumPlan plan = einsum_plan(call);
  const std::vector<int64_t> out_strides = row_strides(call.results[0].shape);
  LabelGroup batch, rows, columns, summed;
  for (const EinsumLabel& label : plan.labels) {
    const size_t at = plan.output.find(label.name);
    LabelGroup& group = at == std::string::npos      ? summed
                        : label.in[0] && label.in[1] ? batch
                        : label.in[0]                ? rows
                                                     : columns;
    group.sizes.push_back(label.size);
    group.strides[0].push_back(label.stride[0]);
    group.strides[1].push_back(label.stride[1]);
    group.strides[2].push_back(at == std::string::npos ? 0 : out_strides[at]);
  }
  auto joined = [](const LabelGroup& first, const LabelGroup& second, size_t which) {
    LabelGroup both = first;
    both.sizes.insert(both.sizes.end(), second.sizes.begin(), second.sizes.end());
    both.strides[which].insert(both.strides[which].end(), second.strides[which].begin(),
                               second.strides[which].end());
    return both;
  };
  const LabelGroup a_order = joined(rows, summed, 0), b_order = joined(summed, columns, 1);
  const LabelGroup y_order = joined(rows, columns, 2);
  const int64_t m = rows.count(), k = summed.count(), n = columns.count();
  call.need(a_order.count() >= 0 && b_order.count() >= 0, "the operands are too large");
  std::vector<float> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(k * n), 1.0f);
  std::vector<float> y(static_cast<size_t>(m * n));
  WalkStrides<3> strides = {batch.strides[0], batch.strides[1], batch.strides[2]};
  walk<3>(batch.sizes, strides, [&](int64_t, int64_t count, const auto& at, const auto& steps) {
    for (int64_t i = 0; i < count; ++i) {
      copy_strided(call.f32(0).data() + at[0] + i * steps[0], a_order.sizes, a_order.strides[0],
                   a.data());
      if (call.has(1)) {
        copy_strided(call.f32(1).data() + at[1] + i * steps[1], b_order.sizes, b_order.strides[1],
                     b.data());
      }
      multiply({a.data(), k, b.data(), n, y.data(), n, m, k, n});
      float* to = call.y().data() + at[2] + i * steps[2];
      walk<1>(y_order.sizes, {y_order.strides[2]},
              [&](int64_t first, int64_t width, const auto& place, const auto& step) {
                for (int64_t j = 0; j < width; ++j) {
                  to[place[0] + j * step[0]] = y[static_cast<size_t>(first + j)];
                }
              });
    }
  });
}

constexpr OpRule kMatmulRules[] = {
    {"", "Einsum", infer_einsum, evaluate_einsum},
    {"", "Gemm", infer_gemm, evaluate_gemm},
    {"", "MatMul", infer_matmul, evaluate_matmul},
    {"com.microsoft", "FusedMatMul", infer_matmul, evaluate_matmul},
};

}  // namespace

std::span<const OpRule> matmul_rules() { return kMatmulRules; }

}  // namespace heed::graph
