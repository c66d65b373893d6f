#include "converter/graph/evaluate.h"

#include <algorithm>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_rules.h"
#include "converter/graph/print_graph.h"

namespace heed::graph {

Evaluator::Evaluator(const Graph& graph) : graph_(graph) {
  std::string unknown;
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (find_rule(node.domain, node.op) == nullptr) unknown += "\n  " + node_label(node);
  }
  if (!unknown.empty()) throw ConvertError("these ops cannot be evaluated:" + unknown);
}

void Evaluator::bind_input(ValueId id, Constant input, Slots& slots) const {
  const Value& value = graph_.value(id);
  const std::string where = "input '" + value.name + "'";
  if (input.dtype != value.dtype) {
    throw ConvertError(std::string("expected ") + dtype_text(value.dtype) + ", got " +
                           dtype_text(input.dtype),
                       where);
  }
  if (value.shape && input.shape != *value.shape) {
    throw ConvertError("expected shape " + shape_text(*value.shape) + ", got " +
                           shape_text(input.shape),
                       where);
  }
  const size_t count = input.dtype == DType::f32 ? input.f32.size() : input.i64.size();
  if (element_count(input.shape) != static_cast<int64_t>(count)) {
    throw ConvertError("shape " + shape_text(input.shape) + " but " + std::to_string(count) +
                           " elements",
                       where);
  }
  slots[static_cast<size_t>(id)] = std::make_shared<const Constant>(std::move(input));
}

void Evaluator::compute(Slots& slots, const ValueVisitor& visit) const {
  auto slot = [&](ValueId id) -> ConstantPtr& { return slots[static_cast<size_t>(id)]; };
  std::vector<int32_t> uses(graph_.value_count(), 0);  // still to come; graph outputs stay
  for (ValueId id : graph_.outputs) ++uses[static_cast<size_t>(id)];
  for (NodeId id : graph_.order()) {
    for (ValueId input : graph_.node(id).inputs) {
      if (input != kNoValue) ++uses[static_cast<size_t>(input)];
    }
  }
  if (visit) {
    for (ValueId id : graph_.inputs) visit(id, *slot(id));
  }
  for (NodeId id : graph_.order()) {
    const Node& node = graph_.node(id);
    OpCall call(node, graph_.opset);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Constant* known = graph_.constant(node.inputs[i]);
      if (known == nullptr) known = slot(node.inputs[i]).get();
      if (known == nullptr) call.fail("operand " + std::to_string(i) + " was never computed");
      call.operands[i] = {true, known->dtype, known->shape, known};
    }
    apply_rule(*find_rule(node.domain, node.op), call);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (output == kNoValue) continue;
      if (visit) visit(output, call.results[i]);
      if (uses[static_cast<size_t>(output)] == 0) continue;
      slot(output) = std::make_shared<const Constant>(std::move(call.results[i]));
    }
    for (ValueId input : node.inputs) {
      if (input != kNoValue && --uses[static_cast<size_t>(input)] == 0) slot(input).reset();
    }
  }
}

std::map<ValueId, Constant> Evaluator::run(const std::map<ValueId, Constant>& inputs,
                                           const ValueVisitor& visit) const {
  Slots slots(graph_.value_count());
  for (ValueId id : graph_.inputs) {
    auto given = inputs.find(id);
    if (given == inputs.end()) {
      throw ConvertError("no value was given", "input '" + graph_.value(id).name + "'");
    }
    bind_input(id, given->second, slots);
  }
  compute(slots, visit);
  std::map<ValueId, Constant> outputs;
  for (ValueId id : graph_.outputs) {
    const Constant* known = graph_.constant(id);
    if (known == nullptr) known = slots[static_cast<size_t>(id)].get();
    if (known == nullptr) {
      throw ConvertError("nothing computes it", "output '" + graph_.value(id).name + "'");
    }
    outputs.emplace(id, *known);
  }
  return outputs;
}

std::vector<Constant> Evaluator::run(std::span<const Constant> inputs,
                                     const ValueVisitor& visit) const {
  if (inputs.size() != graph_.inputs.size()) {
    throw ConvertError("the model takes " + std::to_string(graph_.inputs.size()) +
                       " inputs, got " + std::to_string(inputs.size()));
  }
  std::map<ValueId, Constant> named;
  for (size_t i = 0; i < inputs.size(); ++i) named.emplace(graph_.inputs[i], inputs[i]);
  const std::map<ValueId, Constant> made = run(named, visit);
  std::vector<Constant> outputs;
  for (ValueId id : graph_.outputs) outputs.push_back(made.at(id));
  return outputs;
}

Constant float_constant(Shape shape, std::vector<float> elements) {
  Constant made;
  made.shape = std::move(shape);
  made.f32 = std::move(elements);
  return made;
}

Constant int_constant(Shape shape, std::vector<int64_t> elements) {
  Constant made;
  made.dtype = DType::i64;
  made.shape = std::move(shape);
  made.i64 = std::move(elements);
  return made;
}

}  // namespace heed::graph
