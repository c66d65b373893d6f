#include "converter/graph/infer_shapes.h"

#include <string>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_rules.h"
#include "converter/graph/print_graph.h"
#include "converter/graph/respell.h"

namespace heed::graph {

void infer_node(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const OpRule* rule = find_rule(node.domain, node.op);
  if (rule == nullptr) throw ConvertError("this op is not supported", node_label(node));
  OpCall call(node, graph.opset);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Value& value = graph.value(node.inputs[i]);
    if (!value.shape) call.fail("the shape of operand " + std::to_string(i) + " is unknown");
    call.operands[i] = {true, value.dtype, *value.shape, value.constant.get()};
  }
  rule->infer(call);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    if (i >= call.results_made()) call.fail("it has no output " + std::to_string(i));
    Value& value = graph.value(node.outputs[i]);
    value.dtype = call.results[i].dtype;
    value.shape = call.results[i].shape;
  }
}

void infer_shapes(Graph& graph) {
  FaultList faults;
  for (NodeId id : graph.order()) {
    if (!faults.reaches(graph, id)) faults.attempt(graph, id, [&] { infer_node(graph, id); });
  }
  faults.report();
}

bool FaultList::reaches(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  // A known op without its operands' shapes would only repeat an earlier fault. An unknown op is a
  // fault of its own, wherever it stands.
  if (!is_known(node)) return false;
  for (ValueId input : node.inputs) {
    if (input != kNoValue && !graph.value(input).shape && unknown_.count(input) != 0) {
      for (ValueId output : node.outputs) unknown_.insert(output);
      return true;
    }
  }
  return false;
}

void FaultList::attempt(const Graph& graph, NodeId id, const std::function<void()>& action) {
  try {
    action();
  } catch (const ConvertError& error) {
    const Node& node = graph.node(id);
    const std::string attributes = attributes_text(node);
    std::string line = "\n  " + node_label(node);
    if (!attributes.empty()) line += " {" + attributes + "}";
    line += ": " + error.fault();
    if (!error.remedy().empty()) line += ". " + error.remedy();
    lines_.push_back(line);
    for (ValueId output : node.outputs) unknown_.insert(output);
  }
}

void FaultList::report() const {
  if (lines_.empty()) return;
  std::string text = lines_.size() == 1
                         ? "1 node cannot be converted:"
                         : std::to_string(lines_.size()) + " nodes cannot be converted:";
  for (const std::string& line : lines_) text += line;
  throw ConvertError(text);
}

}  // namespace heed::graph
