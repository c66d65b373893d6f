// The query, key and value projections of one input -> one Linear whose columns Attention reads.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

constexpr size_t kOperands = 3;  // q, k, v
constexpr const char* kColumns[kOperands] = {"q_column", "k_column", "v_column"};

/// A Linear that feeds one operand of an Attention and nothing else.
struct Projection {
  size_t operand;
  NodeId linear;
};

/// The plain Linear behind an operand, looking through a Reshape that keeps rows whole.
NodeId projection_of(const Graph& graph, NodeId attention, ValueId operand) {
  const auto feeds_only = [&](ValueId value, NodeId user) {
    const auto& users = graph.value(value).users;
    return !graph.is_output(value) && !users.empty() &&
           std::all_of(users.begin(), users.end(), [&](NodeId u) { return u == user; });
  };
  if (!feeds_only(operand, attention)) return kNoNode;
  if (const Node* reshape = graph.producer(operand, "Reshape")) {
    const ValueId before = reshape->inputs[0];
    if (shape_of(graph, before).back() != shape_of(graph, operand).back()) return kNoNode;
    if (!feeds_only(before, graph.producer_id(operand))) return kNoNode;
    operand = before;
  }
  const NodeId id = graph.producer_id(operand);
  if (id == kNoNode || !graph.node(id).is("Linear", kFusedDomain)) return kNoNode;
  const Node& linear = graph.node(id);
  const bool is_plain =
      linear.string_or("activation", "").empty() && input_of(linear, 3) == kNoValue;
  return is_plain ? id : kNoNode;
}

/// "a/q/MatMul", "a/k/MatMul" -> "a/q/MatMul+k/MatMul"
std::string joined_name(const Graph& graph, const std::vector<NodeId>& linears) {
  const std::string& first = graph.node(linears[0]).name;
  std::string name = first;
  for (size_t i = 1; i < linears.size(); ++i) {
    const std::string& other = graph.node(linears[i]).name;
    const auto mismatch = std::mismatch(first.begin(), first.end(), other.begin(), other.end());
    const size_t common = static_cast<size_t>(mismatch.second - other.begin());
    const size_t slash = other.rfind('/', common == 0 ? 0 : common - 1);
    name.append("+").append(other, slash == std::string::npos ? 0 : slash + 1);
  }
  return name;
}

/// One Linear that computes all of them, column after column; gives its output.
ValueId merge(Graph& graph, const std::vector<NodeId>& linears, const std::string& name) {
  std::vector<float> weight, bias;
  bool has_bias = false;
  int64_t n = 0;
  for (NodeId id : linears) {
    const Node& linear = graph.node(id);
    const Constant& w = *graph.constant(linear.inputs[1]);
    weight.insert(weight.end(), w.f32.begin(), w.f32.end());
    n += w.shape[0];
    if (const Constant* b = floats_of(graph, input_of(linear, 2))) {
      has_bias = true;
      bias.insert(bias.end(), b->f32.begin(), b->f32.end());
    }
    bias.resize(static_cast<size_t>(n), 0.0f);
  }
  const ValueId x = graph.node(linears[0]).inputs[0];
  Shape shape = shape_of(graph, x);
  const int64_t k = shape.back();
  shape.back() = n;
  std::vector<ValueId> inputs = {x, add_floats(graph, name + "/weight", {n, k}, std::move(weight))};
  if (has_bias) inputs.push_back(add_floats(graph, name + "/bias", {n}, std::move(bias)));
  return emit(graph, fused_node("Linear", name, inputs, {{"activation", std::string()}}), shape);
}

bool merge_one(Graph& graph, PassReport& report, NodeId id) {
  const Node attention = graph.node(id);
  if (!attention.is("Attention", kFusedDomain)) return false;
  std::vector<Projection> projections;
  for (size_t i = 0; i < kOperands; ++i) {
    const NodeId linear = projection_of(graph, id, attention.inputs[i]);
    if (linear != kNoNode) projections.push_back({i, linear});
  }
  for (const Projection& first : projections) {
    std::vector<NodeId> linears;
    const ValueId x = graph.node(first.linear).inputs[0];
    for (const Projection& p : projections) {
      const bool is_new = std::find(linears.begin(), linears.end(), p.linear) == linears.end();
      if (is_new && graph.node(p.linear).inputs[0] == x) linears.push_back(p.linear);
    }
    if (linears.size() < 2) continue;
    const std::string name = joined_name(graph, linears);
    const ValueId merged = merge(graph, linears, name);
    const int64_t n = shape_of(graph, merged).back();
    int64_t column = 0;
    std::vector<std::string> names;
    for (NodeId linear : linears) {
      for (const Projection& p : projections) {
        if (p.linear != linear) continue;
        Shape rows = shape_of(graph, attention.inputs[p.operand]);
        rows.back() = n;
        const ValueId operand = emit_reshape(graph, merged, rows, name + "/rows");
        graph.set_input(id, p.operand, operand);
        graph.node(id).attributes[kColumns[p.operand]] =
            attention.int_or(kColumns[p.operand], 0) + column;
      }
      column += shape_of(graph, graph.node(linear).inputs[1])[0];
      names.push_back(graph.node(linear).name);
    }
    report.fused("Linear", name, std::move(names));
    return true;
  }
  return false;
}

}  // namespace

bool merge_projections(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return merge_one(g, report, id); });
}

}  // namespace heed::passes
