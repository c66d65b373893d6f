#include "converter/passes/expand_einsum.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

/// "ab,bc->ac", its letters by what becomes of them.
struct Equation {
  std::string a, b, out;
  std::string batch, left, right, summed;
};

bool has(const std::string& letters, char letter) {
  return letters.find(letter) != std::string::npos;
}

bool has_repeats(std::string letters) {
  std::sort(letters.begin(), letters.end());
  return std::adjacent_find(letters.begin(), letters.end()) != letters.end();
}

/// Nothing where the equation is no product of two matrices.
std::optional<Equation> parse(std::string text) {
  std::erase(text, ' ');
  const size_t comma = text.find(','), arrow = text.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || has(text, '.')) {
    return std::nullopt;
  }
  Equation e;
  e.a = text.substr(0, comma);
  e.b = text.substr(comma + 1, arrow - comma - 1);
  e.out = text.substr(arrow + 2);
  if (has(e.b, ',') || has_repeats(e.a) || has_repeats(e.b) || has_repeats(e.out)) {
    return std::nullopt;
  }
  for (char letter : e.out) {
    const bool in_a = has(e.a, letter), in_b = has(e.b, letter);
    if (!in_a && !in_b) return std::nullopt;
    (in_a && in_b ? e.batch : in_a ? e.left : e.right) += letter;
  }
  for (char letter : e.a) {
    if (has(e.out, letter)) continue;
    if (!has(e.b, letter)) return std::nullopt;
    e.summed += letter;
  }
  for (char letter : e.b) {
    if (!has(e.out, letter) && !has(e.a, letter)) return std::nullopt;
  }
  if (e.summed.empty()) return std::nullopt;
  return e;
}

/// x, whose dimensions are `letters`, with them in the order of `wanted`.
ValueId ordered(Graph& graph, ValueId x, const std::string& letters, const std::string& wanted,
                const std::string& name) {
  std::vector<int64_t> perm;
  for (char letter : wanted) perm.push_back(static_cast<int64_t>(letters.find(letter)));
  return emit_transpose(graph, x, perm, name);
}

Shape sizes_of(const std::string& wanted, const Equation& e, const Shape& a, const Shape& b) {
  Shape sizes;
  for (char letter : wanted) {
    sizes.push_back(has(e.a, letter) ? a[e.a.find(letter)] : b[e.b.find(letter)]);
  }
  return sizes;
}

}  // namespace

bool expand_einsum(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Einsum") || node.inputs.size() != 2) return false;
  const auto e = parse(node.string_or("equation", ""));
  if (!e) return false;
  const Shape a = shape_of(graph, node.inputs[0]), b = shape_of(graph, node.inputs[1]);
  if (a.size() != e->a.size() || b.size() != e->b.size()) return false;
  const auto size = [&](const std::string& letters) {
    return element_count(sizes_of(letters, *e, a, b));
  };
  const Shape batch = sizes_of(e->batch, *e, a, b);
  for (char letter : e->batch) {
    if (a[e->a.find(letter)] != b[e->b.find(letter)]) return false;
  }
  const auto matrix = [&](int64_t rows, int64_t columns) {
    Shape shape = batch;
    shape.insert(shape.end(), {rows, columns});
    return shape;
  };
  const std::string& name = node.name;
  const int64_t m = size(e->left), k = size(e->summed), n = size(e->right);
  ValueId x = ordered(graph, node.inputs[0], e->a, e->batch + e->left + e->summed, name + "/a");
  ValueId w = ordered(graph, node.inputs[1], e->b, e->batch + e->summed + e->right, name + "/b");
  x = emit_reshape(graph, x, matrix(m, k), name + "/a_matrix");
  w = emit_reshape(graph, w, matrix(k, n), name + "/b_matrix");
  ValueId y = emit(graph, onnx_node("MatMul", name, {x, w}), matrix(m, n));
  const std::string order = e->batch + e->left + e->right;
  y = emit_reshape(graph, y, sizes_of(order, *e, a, b), name + "/cut");
  y = ordered(graph, y, order, e->out, name + "/ordered");
  replace(graph, node.outputs[0], onnx_node("Identity", name + "/out", {y}));
  return true;
}

}  // namespace heed::passes
