#include "converter/graph/print_graph.h"

#include <cstdio>

namespace heed::graph {
namespace {

std::string number_text(float number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(number));
  return text;
}

template <class T, class ToText>
std::string list_text(const std::vector<T>& items, ToText to_text) {
  constexpr size_t kShown = 16;
  std::string text = "[";
  for (size_t i = 0; i < items.size() && i < kShown; ++i) {
    if (i > 0) text += ',';
    text += to_text(items[i]);
  }
  text += items.size() > kShown ? ",..]" : "]";
  return text;
}

struct AttributeText {
  std::string operator()(int64_t whole) const { return std::to_string(whole); }
  std::string operator()(float number) const { return number_text(number); }
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(const std::vector<int64_t>& items) const { return shape_text(items); }
  std::string operator()(const std::vector<float>& items) const {
    return list_text(items, number_text);
  }
  std::string operator()(const std::vector<std::string>& items) const {
    return list_text(items, [](const std::string& item) { return item; });
  }
  std::string operator()(const ConstantPtr& tensor) const {
    return std::string(dtype_text(tensor->dtype)) + shape_text(tensor->shape);
  }
  std::string operator()(const std::shared_ptr<Graph>& graph) const {
    return "graph of " + std::to_string(graph->node_count()) + " nodes";
  }
};

std::string value_text(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "-";
  const Value& value = graph.value(id);
  std::string text = "%";
  text += value.name.empty() ? std::to_string(id) : value.name;
  return text;
}

std::string typed_text(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "-";
  const Value& value = graph.value(id);
  return value_text(graph, id) + " " + dtype_text(value.dtype) +
         (value.shape ? shape_text(*value.shape) : "[?]");
}

std::string op_text(const Node& node) {
  return node.domain.empty() ? node.op : node.domain + "." + node.op;
}

}  // namespace

std::string shape_text(const Shape& shape) {
  return list_text(shape, [](int64_t dim) { return std::to_string(dim); });
}

const char* dtype_text(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::i64:
      return "i64";
    case DType::boolean:
      return "bool";
    case DType::string:
      break;
  }
  return "string";
}

std::string node_label(const Node& node) {
  std::string text = "node '";
  text += node.name;
  text += "' (";
  text += op_text(node);
  text += ')';
  return text;
}

std::string attributes_text(const Node& node) {
  std::string text;
  for (const auto& [key, attribute] : node.attributes) {
    if (!text.empty()) text += ", ";
    text += key + "=" + std::visit(AttributeText{}, attribute);
  }
  return text;
}

std::string print_graph(const Graph& graph) {
  std::string text;
  for (ValueId id : graph.inputs) text += "input " + typed_text(graph, id) + "\n";
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (i > 0) text += ", ";
      text += typed_text(graph, node.outputs[i]);
    }
    text += " = ";
    text += op_text(node);
    text += '(';
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (i > 0) text += ", ";
      text += value_text(graph, node.inputs[i]);
    }
    text += ")";
    if (!node.attributes.empty()) text += " {" + attributes_text(node) + "}";
    if (!node.name.empty()) text += " # " + node.name;
    text += "\n";
  }
  for (ValueId id : graph.outputs) text += "output " + typed_text(graph, id) + "\n";
  return text;
}

}  // namespace heed::graph
