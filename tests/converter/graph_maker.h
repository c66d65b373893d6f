#pragma once
// Graphs in a few lines, for tests of lowering: every node is made with its output's shape.

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/evaluate.h"
#include "converter/graph/fused_ops.h"
#include "converter/graph/graph.h"
#include "converter/graph/infer_shapes.h"
#include "tests/support/seeded_random.h"

namespace heed::test {

class GraphMaker {
 public:
  using Attributes = graph::Attributes;

  GraphMaker() { made_.opset = 17; }

  graph::ValueId input(const std::string& name, graph::Shape shape,
                       graph::DType dtype = graph::DType::f32) {
    const graph::ValueId id = made_.add_value(name, dtype, std::move(shape));
    made_.inputs.push_back(id);
    return id;
  }
  /// About normal, times `size`.
  graph::ValueId weight(const std::string& name, graph::Shape shape, float size = 1) {
    std::vector<float> values;
    for (int64_t n = graph::Constant{{}, shape, {}, {}}.elements(); n > 0; --n)
      values.push_back(random_.normal() * size);
    return floats(name, std::move(shape), std::move(values));
  }
  graph::ValueId floats(const std::string& name, graph::Shape shape, std::vector<float> values) {
    return made_.add_constant(name, std::make_shared<graph::Constant>(graph::float_constant(
                                        std::move(shape), std::move(values))));
  }
  graph::ValueId integers(const std::string& name, graph::Shape shape,
                          std::vector<int64_t> values) {
    return made_.add_constant(name, std::make_shared<graph::Constant>(graph::int_constant(
                                        std::move(shape), std::move(values))));
  }
  /// A fused op.
  graph::ValueId fused(const std::string& op, std::vector<graph::ValueId> inputs,
                       Attributes attributes = {}) {
    return node(op, std::move(inputs), std::move(attributes), graph::kFusedDomain);
  }
  /// An ONNX op, its output named after it.
  graph::ValueId node(const std::string& op, std::vector<graph::ValueId> inputs,
                      Attributes attributes = {}, const std::string& domain = "") {
    return nodes(op, std::move(inputs), 1, std::move(attributes), domain).front();
  }
  std::vector<graph::ValueId> nodes(const std::string& op, std::vector<graph::ValueId> inputs,
                                    size_t outputs, Attributes attributes = {},
                                    const std::string& domain = "") {
    graph::Node made;
    made.op = op;
    made.domain = domain;
    made.name = op + std::to_string(count_++);
    made.inputs = std::move(inputs);
    made.attributes = std::move(attributes);
    std::vector<graph::ValueId> results;
    for (size_t i = 0; i < outputs; ++i)
      results.push_back(made_.add_value(made.name + ":" + std::to_string(i)));
    made.outputs = results;
    const graph::NodeId id = made_.add_node(std::move(made));
    graph::infer_node(made_, id);
    return results;
  }
  graph::ValueId linear(graph::ValueId x, int64_t outputs, Attributes attributes = {},
                        graph::ValueId residual = graph::kNoValue) {
    const int64_t width = made_.value(x).shape->back();
    const std::string name = std::string("w").append(std::to_string(count_));
    const graph::ValueId w =
        weight(name, {outputs, width}, 1.0f / std::sqrt(static_cast<float>(width)));
    const graph::ValueId b = weight(name + "b", {outputs}, 0.5f);
    std::vector<graph::ValueId> inputs = {x, w, b};
    if (residual != graph::kNoValue) inputs.push_back(residual);
    return fused("Linear", inputs, std::move(attributes));
  }
  graph::ValueId norm(graph::ValueId x, const std::string& kind = "layer") {
    const int64_t width = made_.value(x).shape->back();
    const std::string name = std::string("norm").append(std::to_string(count_));
    std::vector<graph::ValueId> inputs = {x, weight(name + "gamma", {width})};
    if (kind == "layer") inputs.push_back(weight(name + "beta", {width}));
    return fused("Norm", inputs, {{"kind", kind}, {"epsilon", 1e-5f}});
  }

  const graph::Graph& done(std::vector<graph::ValueId> outputs) {
    made_.outputs = std::move(outputs);
    made_.sort();
    return made_;
  }
  graph::Graph& graph() { return made_; }

 private:
  graph::Graph made_;
  SeededRandom random_{7};
  int count_ = 0;
};

}  // namespace heed::test
