// Attention of one query, or very few, needs no keys and values of its own: where these are
// projections of rows h,
//
//   q . (Wk h + bk) = (Wk^T q) . h + a constant, which softmax does not see
//   sum p (Wv h + bv) = Wv (sum p h) + bv, as the p sum to 1
//
// so the query is projected to Wk^T q instead, attention is over h itself, and the layer behind it
// takes Wv. Two layers over all rows are left out; two over one row become wider.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"
#include "engine/nodes/few_queries.h"
#include "ops/attention/attention.h"

namespace heed::passes {
namespace {

/// Some outputs of a Linear: weights [n][k] and bias [n].
struct Projection {
  ValueId x;
  int64_t n, k;
  std::vector<float> weight, bias;
};

std::optional<Projection> projection_of(const Graph& graph, const Node& linear, int64_t begin,
                                        int64_t n) {
  if (!linear.string_or("activation", "").empty() || input_of(linear, 3) != kNoValue)
    return std::nullopt;
  const Constant* weight = floats_of(graph, linear.inputs[1]);
  const Constant* bias = floats_of(graph, input_of(linear, 2));
  if (weight == nullptr || (bias == nullptr && input_of(linear, 2) != kNoValue))
    return std::nullopt;
  Projection p{linear.inputs[0], n, weight->shape[1], {}, {}};
  const auto rows = weight->f32.begin() + begin * p.k;
  p.weight.assign(rows, rows + n * p.k);
  if (bias == nullptr) {
    p.bias.assign(static_cast<size_t>(n), 0.0f);
  } else {
    p.bias.assign(bias->f32.begin() + begin, bias->f32.begin() + begin + n);
  }
  return p;
}

/// An operand's columns, where nothing but this attention reads the layer that makes them.
std::optional<Projection> operand_of(const Graph& graph, NodeId attention, size_t operand,
                                     const char* column, int64_t n) {
  const Node& node = graph.node(attention);
  const ValueId value = node.inputs[operand];
  const Node* linear = graph.producer(value, "Linear", kFusedDomain);
  if (linear == nullptr || graph.is_output(value)) return std::nullopt;
  for (const NodeId user : graph.value(value).users)
    if (user != attention) return std::nullopt;
  return projection_of(graph, *linear, node.int_or(column, 0), n);
}

/// For each head a[h][d][i] b[h][d][j] summed over d: rows h, i of j columns.
std::vector<float> heads_product(const std::vector<float>& a, int64_t rows,
                                 const std::vector<float>& b, int64_t columns, int64_t heads,
                                 int64_t width) {
  std::vector<float> product;
  product.reserve(static_cast<size_t>(heads * rows * columns));
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (int64_t d = h * width; d < (h + 1) * width; ++d)
          sum += double{a[static_cast<size_t>(d * rows + i)]} *
                 double{b[static_cast<size_t>(d * columns + j)]};
        product.push_back(static_cast<float>(sum));
      }
    }
  }
  return product;
}

bool fold_one(Graph& graph, PassReport& report, NodeId id) {
  const Node attention = graph.node(id);
  if (!attention.is("Attention", kFusedDomain)) return false;
  const int64_t heads = attention.int_or("heads", 1), d = attention.int_or("head_width", 0);
  const int64_t dv = attention.int_or("value_width", d);
  const int64_t queries = shape_of(graph, attention.outputs[0])[1];
  if (attention.int_or("kv_heads", heads) != heads || queries * heads > kFewQueries) return false;
  const auto q = operand_of(graph, id, 0, "q_column", heads * d);
  const auto k = operand_of(graph, id, 1, "k_column", heads * d);
  const auto v = operand_of(graph, id, 2, "v_column", heads * dv);
  if (!q || !k || !v || k->x != v->x || k->k > kAttentionWidthMax) return false;
  const NodeId next = graph.only_user(attention.outputs[0]);
  if (next == kNoNode || !graph.node(next).is("Linear", kFusedDomain)) return false;
  const Node out = graph.node(next);
  if (shape_of(graph, out.inputs[1])[1] != heads * dv) return false;
  const auto o = projection_of(graph, out, 0, shape_of(graph, out.inputs[1])[0]);
  if (!o) return false;

  const int64_t n = k->k;  // width of a row
  const std::string query = attention.name + "/query", mixed = attention.name + "/rows";
  Shape shape = shape_of(graph, q->x);
  shape.back() = heads * n;
  const ValueId u =
      emit(graph,
           fused_node("Linear", query,
                      {q->x,
                       add_floats(graph, query + "/weight", {heads * n, q->k},
                                  heads_product(k->weight, n, q->weight, q->k, heads, d)),
                       add_floats(graph, query + "/bias", {heads * n},
                                  heads_product(k->weight, n, q->bias, 1, heads, d))},
                      {{"activation", std::string()}}),
           shape);
  Node over_rows = attention;
  over_rows.outputs.clear();
  over_rows.inputs[0] = u;
  over_rows.inputs[1] = over_rows.inputs[2] = k->x;
  for (const char* column : {"q_column", "k_column", "v_column"})
    over_rows.attributes[column] = int64_t{0};
  over_rows.attributes["kv_heads"] = int64_t{1};
  over_rows.attributes["head_width"] = over_rows.attributes["value_width"] = n;
  shape = shape_of(graph, attention.outputs[0]);
  shape.back() = heads * n;
  const ValueId rows = emit(graph, std::move(over_rows), shape);
  graph.value(rows).name = mixed;

  // Of the layer behind: weights [m][h dv], as [h dv][m] beside Wv's [h dv][n].
  const std::vector<float> turned = transposed(o->weight, {o->n, o->k}, {1, 0});
  const std::vector<float> folded = heads_product(v->weight, n, turned, o->n, heads, dv);
  std::vector<float> bias = o->bias;
  for (int64_t m = 0; m < o->n; ++m) {
    double sum = double{bias[static_cast<size_t>(m)]};
    for (int64_t i = 0; i < o->k; ++i)
      sum += double{o->weight[static_cast<size_t>(m * o->k + i)]} *
             double{v->bias[static_cast<size_t>(i)]};
    bias[static_cast<size_t>(m)] = static_cast<float>(sum);
  }
  replace(graph, out.outputs[0],
          fused_node("Linear", out.name,
                     {rows,
                      add_floats(graph, out.name + "/rows_weight", {o->n, heads * n},
                                 transposed(folded, {heads * n, o->n}, {1, 0})),
                      add_floats(graph, out.name + "/rows_bias", {o->n}, std::move(bias))},
                     out.attributes));
  report.fused("Attention", attention.name, {out.name});
  return true;
}

}  // namespace

bool fold_keys(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fold_one(g, report, id); });
}

}  // namespace heed::passes
