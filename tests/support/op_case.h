#pragma once
// One op applied to given values, for tests of the evaluator.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/evaluate.h"
#include "converter/graph/graph.h"

namespace heed::test {

using graph::Constant;
using graph::Shape;
using Attributes = graph::Attributes;

inline Constant floats(Shape shape, std::vector<float> elements) {
  return graph::float_constant(std::move(shape), std::move(elements));
}
inline Constant ints(Shape shape, std::vector<int64_t> elements) {
  return graph::int_constant(std::move(shape), std::move(elements));
}
/// A list of integers, as axes and shapes are given.
inline Constant list(std::vector<int64_t> elements) {
  const Shape shape = {static_cast<int64_t>(elements.size())};
  return graph::int_constant(shape, std::move(elements));
}
inline Constant booleans(Shape shape, std::vector<int64_t> elements) {
  Constant made = graph::int_constant(std::move(shape), std::move(elements));
  made.dtype = graph::DType::boolean;
  return made;
}
/// An operand left out.
inline Constant absent() {
  Constant none;
  none.dtype = graph::DType::string;
  return none;
}

struct OpCase {
  std::string op;  // "com.microsoft:Gelu" with a domain
  std::vector<Constant> inputs;
  Attributes attributes = {};
  size_t outputs = 1;
  int64_t opset = 17;
  std::vector<size_t> left_out = {};  // outputs that nobody wants; empty in the results
};

inline std::vector<Constant> apply(const OpCase& given) {
  graph::Graph graph;
  graph.opset = given.opset;
  graph::Node node;
  const size_t colon = given.op.find(':');
  node.domain = colon == std::string::npos ? "" : given.op.substr(0, colon);
  node.op = colon == std::string::npos ? given.op : given.op.substr(colon + 1);
  node.name = "tested";
  node.attributes = given.attributes;
  std::vector<Constant> inputs;
  for (const Constant& input : given.inputs) {
    if (input.dtype == graph::DType::string) {
      node.inputs.push_back(graph::kNoValue);
      continue;
    }
    node.inputs.push_back(graph.add_value("in", input.dtype, input.shape));
    graph.inputs.push_back(node.inputs.back());
    inputs.push_back(input);
  }
  std::vector<size_t> wanted;
  for (size_t i = 0; i < given.outputs; ++i) {
    const auto& out = given.left_out;
    const bool skipped = std::find(out.begin(), out.end(), i) != out.end();
    node.outputs.push_back(skipped ? graph::kNoValue : graph.add_value("out"));
    if (skipped) continue;
    graph.outputs.push_back(node.outputs.back());
    wanted.push_back(i);
  }
  graph.add_node(std::move(node));
  graph.sort();
  std::vector<Constant> made = graph::Evaluator(graph).run(inputs);
  std::vector<Constant> results(given.outputs);
  for (size_t i = 0; i < wanted.size(); ++i) results[wanted[i]] = std::move(made[i]);
  return results;
}

}  // namespace heed::test
