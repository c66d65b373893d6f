#pragma once
// Builds converter graphs in tests, a line per node, and compares what two graphs compute.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/evaluate.h"
#include "converter/graph/graph.h"
#include "converter/graph/infer_shapes.h"
#include "tests/support/seeded_random.h"

namespace heed::test {

class GraphBuilder {
 public:
  using ValueId = graph::ValueId;
  using Attributes = graph::Attributes;

  explicit GraphBuilder(int64_t opset = 17) { graph_.opset = opset; }

  ValueId input(const std::string& name, graph::Shape shape,
                graph::DType dtype = graph::DType::f32) {
    const ValueId id = graph_.add_value(name, dtype, std::move(shape));
    graph_.inputs.push_back(id);
    return id;
  }
  ValueId scalar(float value) { return floats({}, {value}); }
  ValueId floats(graph::Shape shape, std::vector<float> elements) {
    auto constant = std::make_shared<graph::Constant>(
        graph::float_constant(std::move(shape), std::move(elements)));
    return graph_.add_constant(next_name("constant"), constant);
  }
  /// A constant of random values about zero, or about `middle`.
  ValueId random(graph::Shape shape, float spread = 0.5f, float middle = 0.0f) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    std::vector<float> elements(static_cast<size_t>(count));
    random_.fill(elements, middle - spread, middle + spread);
    return floats(std::move(shape), std::move(elements));
  }
  ValueId ints(std::vector<int64_t> elements) {
    const graph::Shape shape = {static_cast<int64_t>(elements.size())};
    return int_tensor(shape, std::move(elements));
  }
  ValueId int_tensor(graph::Shape shape, std::vector<int64_t> elements) {
    auto constant = std::make_shared<graph::Constant>(
        graph::int_constant(std::move(shape), std::move(elements)));
    return graph_.add_constant(next_name("ints"), constant);
  }
  ValueId booleans(graph::Shape shape, std::vector<int64_t> elements) {
    auto constant = std::make_shared<graph::Constant>(
        graph::int_constant(std::move(shape), std::move(elements)));
    constant->dtype = graph::DType::boolean;
    return graph_.add_constant(next_name("booleans"), constant);
  }

  /// A node of one output; op may be "com.microsoft:Attention".
  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return nodes(op, std::move(inputs), std::move(attributes), {true})[0];
  }
  /// A node of several outputs, those left out not wanted.
  std::vector<ValueId> nodes(const std::string& op, std::vector<ValueId> inputs,
                             Attributes attributes, const std::vector<bool>& wanted) {
    graph::Node node;
    const size_t colon = op.find(':');
    node.domain = colon == std::string::npos ? "" : op.substr(0, colon);
    node.op = colon == std::string::npos ? op : op.substr(colon + 1);
    node.name = next_name(node.op);
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    for (size_t i = 0; i < wanted.size(); ++i) {
      node.outputs.push_back(wanted[i] ? graph_.add_value(node.name + "_out" + std::to_string(i))
                                       : graph::kNoValue);
    }
    const graph::NodeId id = graph_.add_node(std::move(node));
    graph::infer_node(graph_, id);
    return graph_.node(id).outputs;
  }
  ValueId reshape(ValueId x, std::vector<int64_t> shape) {
    return node("Reshape", {x, ints(std::move(shape))});
  }
  ValueId transpose(ValueId x, std::vector<int64_t> perm) {
    return node("Transpose", {x}, {{"perm", std::move(perm)}});
  }
  /// x w + b with random weights for n outputs.
  ValueId linear(ValueId x, int64_t n, bool bias = true) {
    const int64_t k = graph_.value(x).shape->back();
    const ValueId y = node("MatMul", {x, random({k, n}, 1.0f / std::sqrt(static_cast<float>(k)))});
    return bias ? node("Add", {y, random({n})}) : y;
  }

  void output(ValueId value) { graph_.outputs.push_back(value); }
  graph::Graph& graph() { return graph_; }
  /// The finished graph, sorted, with `value` as its output.
  graph::Graph finish(ValueId value) {
    output(value);
    return finish();
  }
  graph::Graph finish() {
    REQUIRE(graph_.sort());
    return graph_;
  }

 private:
  std::string next_name(const std::string& stem) { return stem + std::to_string(++count_); }

  graph::Graph graph_;
  SeededRandom random_{7};
  int count_ = 0;
};

/// Random values for a graph's inputs; integers from 0 to `integers` - 1.
inline std::vector<graph::Constant> random_inputs(const graph::Graph& graph, uint64_t seed = 1,
                                                  int64_t integers = 2) {
  SeededRandom random(seed);
  std::vector<graph::Constant> inputs;
  for (graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    graph::Constant input;
    input.dtype = value.dtype;
    input.shape = *value.shape;
    const auto count = static_cast<size_t>(input.elements());
    if (input.dtype == graph::DType::f32) {
      input.f32.resize(count);
      random.fill(input.f32, -2.0f, 2.0f);
    } else {
      const int64_t last = (input.dtype == graph::DType::boolean ? 2 : integers) - 1;
      for (size_t i = 0; i < count; ++i) input.i64.push_back(random.integer(0, last));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

/// The largest difference between the outputs of two graphs on the same inputs, as a share of the
/// largest value of that output.
inline double output_difference(const graph::Graph& before, const graph::Graph& after,
                                const std::vector<graph::Constant>& inputs) {
  const std::vector<graph::Constant> a = graph::Evaluator(before).run(inputs);
  const std::vector<graph::Constant> b = graph::Evaluator(after).run(inputs);
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].shape == b[i].shape);
    REQUIRE(a[i].dtype == b[i].dtype);
    CHECK(before.value(before.outputs[i]).name == after.value(after.outputs[i]).name);
    double largest = 1e-6, difference = 0;
    for (size_t j = 0; j < a[i].f32.size(); ++j) {
      largest = std::max(largest, std::fabs(static_cast<double>(a[i].f32[j])));
      const double d = std::fabs(static_cast<double>(a[i].f32[j]) - b[i].f32[j]);
      difference = std::isnan(d) ? INFINITY : std::max(difference, d);
    }
    REQUIRE(a[i].i64 == b[i].i64);
    worst = std::max(worst, difference / largest);
  }
  return worst;
}

/// Live nodes of that op.
inline int count_ops(const graph::Graph& graph, const std::string& op,
                     const std::string& domain = "heed") {
  int count = 0;
  for (graph::NodeId id : graph.order()) count += graph.node(id).is(op, domain) ? 1 : 0;
  return count;
}

}  // namespace heed::test
