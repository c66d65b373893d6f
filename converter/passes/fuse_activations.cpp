// GELU in its spellings, SiLU, and the plain ReLU, sigmoid and tanh -> Activation.
//
// A product of x and a function of x is recognised by value, not by spelling: its parts are read as
// polynomials, so that x * 0.5, (1 + erf(x / sqrt 2)) and every other grouping look the same.

#include <array>
#include <cmath>
#include <optional>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

using Polynomial = std::array<double, 4>;  // coefficients of 1, x, x^2, x^3

constexpr double kTolerance = 1e-5;

bool close(double a, double b) { return std::fabs(a - b) <= kTolerance * std::fabs(b); }

bool close(const Polynomial& a, const Polynomial& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(b[i] == 0.0 ? a[i] == 0.0 : close(a[i], b[i]))) return false;
  }
  return true;
}

/// value as a polynomial in x, through Add, Sub, Mul and Neg.
std::optional<Polynomial> polynomial_in(const Graph& graph, ValueId value, ValueId x, int depth) {
  if (value == x) return Polynomial{0, 1, 0, 0};
  if (auto scalar = graph.scalar(value)) return Polynomial{*scalar, 0, 0, 0};
  const NodeId id = graph.producer_id(value);
  if (id == kNoNode || depth == 0) return std::nullopt;
  const Node& node = graph.node(id);
  if (node.is("Neg")) {
    auto p = polynomial_in(graph, node.inputs[0], x, depth - 1);
    if (!p) return std::nullopt;
    for (double& c : *p) c = -c;
    return p;
  }
  if (!node.is("Add") && !node.is("Sub") && !node.is("Mul")) return std::nullopt;
  auto a = polynomial_in(graph, node.inputs[0], x, depth - 1);
  auto b = a ? polynomial_in(graph, node.inputs[1], x, depth - 1) : std::nullopt;
  if (!b) return std::nullopt;
  Polynomial result{};
  if (node.is("Mul")) {
    for (size_t i = 0; i < 4; ++i) {
      for (size_t j = 0; j < 4; ++j) {
        const double product = (*a)[i] * (*b)[j];
        if (product == 0.0) continue;
        if (i + j > 3) return std::nullopt;
        result[i + j] += product;
      }
    }
    return result;
  }
  const double sign = node.is("Sub") ? -1 : 1;
  for (size_t i = 0; i < 4; ++i) result[i] = (*a)[i] + sign * (*b)[i];
  return result;
}

/// value = factor * core, constant factors stripped.
struct Scaled {
  double factor;
  ValueId core;
};

Scaled strip_factors(const Graph& graph, ValueId value) {
  Scaled scaled{1.0, value};
  while (const Node* mul = graph.producer(scaled.core, "Mul")) {
    auto operand = scalar_operand(graph, *mul);
    if (!operand) break;
    scaled = {scaled.factor * operand->scalar, operand->other};
  }
  return scaled;
}

/// value = a * gate(argument) + b, the gate one of Erf, Tanh, Sigmoid.
struct Gate {
  const Node* node;
  double a, b;
};

std::optional<Gate> gate_of(const Graph& graph, ValueId value) {
  Scaled outer = strip_factors(graph, value);
  double b = 0.0;
  const Node* sum = graph.producer(outer.core, "Add");
  const Node* difference = graph.producer(outer.core, "Sub");  // 1 - gate: the constant is left
  if (sum == nullptr) sum = difference;
  if (sum != nullptr) {
    auto operand = scalar_operand(graph, *sum);
    if (!operand) return std::nullopt;
    const Scaled inner = strip_factors(graph, operand->other);
    b = outer.factor * operand->scalar;
    outer = {outer.factor * inner.factor * (difference != nullptr ? -1 : 1), inner.core};
  }
  const NodeId id = graph.producer_id(outer.core);
  if (id == kNoNode) return std::nullopt;
  const Node& node = graph.node(id);
  const bool bare = node.is("Erf") || node.is("Tanh") || node.is("Sigmoid");
  if (!bare) return std::nullopt;
  return Gate{&node, outer.factor, b};
}

/// Which activation x * (a gate(argument) + b) is.
const char* gated_kind(const Gate& gate, double factor, Polynomial argument) {
  double a = gate.a * factor;
  const double b = gate.b * factor;
  if (a < 0 && gate.node->op != "Sigmoid") {  // erf and tanh are odd: -erf(u) = erf(-u)
    a = -a;
    for (double& c : argument) c = -c;
  }
  if (gate.node->op == "Sigmoid") {
    if (!close(a, 1.0) || b != 0.0) return nullptr;
    if (close(argument, {0, 1, 0, 0})) return "Silu";
    return close(argument, {0, 1.702, 0, 0}) ? "GeluSigmoid" : nullptr;
  }
  if (!close(a, 0.5) || !close(b, 0.5)) return nullptr;
  if (gate.node->op == "Erf") {
    return close(argument, {0, std::sqrt(0.5), 0, 0}) ? "GeluErf" : nullptr;
  }
  const double c = std::sqrt(2.0 / 3.14159265358979323846);
  return close(argument, {0, c, 0, c * 0.044715}) ? "GeluTanh" : nullptr;
}

void fuse(Graph& graph, PassReport& report, ValueId output, ValueId x, const char* kind,
          std::vector<std::string> from) {
  const std::string name = graph.node(graph.producer_id(output)).name;
  replace(graph, output, fused_node("Activation", name, {x}, {{"activation", std::string(kind)}}));
  report.fused("Activation", name, std::move(from));
}

bool fuse_gated(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Mul")) return false;
  const Scaled root = strip_factors(graph, node.outputs[0]);
  const Node* product = graph.producer(root.core, "Mul");
  if (product == nullptr) return false;
  for (size_t i = 0; i < 2; ++i) {
    const auto gate = gate_of(graph, product->inputs[i]);
    if (!gate) continue;
    const Scaled left = strip_factors(graph, product->inputs[1 - i]);
    // x may itself be a scaled value: the one that the gate's argument is made of decides.
    for (const Scaled& x : {Scaled{1.0, product->inputs[1 - i]}, left}) {
      const auto argument = polynomial_in(graph, gate->node->inputs[0], x.core, 12);
      if (!argument) continue;
      const char* kind = gated_kind(*gate, root.factor * x.factor, *argument);
      if (kind != nullptr && shape_of(graph, x.core) == shape_of(graph, node.outputs[0])) {
        fuse(graph, report, node.outputs[0], x.core, kind, {gate->node->name, node.name});
        return true;
      }
      if (gate->node->op != "Sigmoid") {
        report.missed(id, "Mul '" + node.name + "' is no GELU: its constants are others");
      }
    }
  }
  return false;
}

// The ops that are an activation by name: Gelu (ONNX and com.microsoft), Relu, Sigmoid, Tanh.
bool fuse_named_activation(Graph& graph, PassReport& report, NodeId id) {
  const Node& node = graph.node(id);
  if (node.outputs.size() != 1 || node.inputs.size() != 1) return false;
  if (graph.value(node.outputs[0]).dtype != DType::f32) return false;
  const char* kind = nullptr;
  if (node.is("Gelu")) {
    kind = node.string_or("approximate", "none") == "tanh" ? "GeluTanh" : "GeluErf";
  } else if (node.is("Relu")) {
    kind = "Relu";
  } else if (node.is("Sigmoid")) {
    kind = "Sigmoid";
  } else if (node.is("Tanh")) {
    kind = "Tanh";
  }
  if (kind == nullptr) return false;
  fuse(graph, report, node.outputs[0], node.inputs[0], kind, {node.name});
  return true;
}

}  // namespace

bool fuse_activations(Graph& graph, PassReport& report) {
  const bool gated =
      rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fuse_gated(g, report, id); });
  const bool named = rewrite_to_rest(
      graph, [&](Graph& g, NodeId id) { return fuse_named_activation(g, report, id); });
  return gated || named;
}

}  // namespace heed::passes
