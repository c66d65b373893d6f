#include "converter/onnx/onnx_operands.h"

#include <string>
#include <utility>
#include <variant>

namespace heed::onnx {
namespace {

using graph::Constant;
using graph::DType;

struct Moved {
  const char* op;  // "Reduce*": all whose name begins so
  const char* attribute;
  size_t operand;
};

constexpr Moved kMoved[] = {
    {"Squeeze", "axes", 1}, {"Unsqueeze", "axes", 1}, {"Reduce*", "axes", 1},
    {"Slice", "starts", 1}, {"Slice", "ends", 2},     {"Slice", "axes", 3},
    {"Slice", "steps", 4},  {"Split", "split", 1},    {"Pad", "pads", 1},
    {"Pad", "value", 2},    {"Clip", "min", 1},       {"Clip", "max", 2},
    {"Reshape", "shape", 1},
};

bool concerns(const Moved& rule, const std::string& op) {
  const std::string name = rule.op;
  if (name.back() != '*') return op == name;
  return op.compare(0, name.size() - 1, name, 0, name.size() - 1) == 0;
}

/// The attribute as a constant; null where it is of another kind.
graph::ConstantPtr as_constant(const graph::Attribute& attribute) {
  auto made = std::make_shared<Constant>();
  if (const auto* list = std::get_if<std::vector<int64_t>>(&attribute)) {
    made->dtype = DType::i64;
    made->shape = {static_cast<int64_t>(list->size())};
    made->i64 = *list;
  } else if (const auto* number = std::get_if<float>(&attribute)) {
    made->f32 = {*number};
  } else {
    return nullptr;
  }
  return made;
}

}  // namespace

void attributes_to_operands(graph::Graph& graph, graph::Node& node) {
  if (!node.domain.empty()) return;
  for (const Moved& rule : kMoved) {
    auto found = node.attributes.find(rule.attribute);
    if (found == node.attributes.end() || !concerns(rule, node.op)) continue;
    graph::ConstantPtr constant = as_constant(found->second);
    if (!constant) continue;
    node.attributes.erase(found);
    if (node.inputs.size() <= rule.operand) node.inputs.resize(rule.operand + 1, graph::kNoValue);
    if (node.inputs[rule.operand] != graph::kNoValue) continue;
    node.inputs[rule.operand] =
        graph.add_constant(node.name + "/" + rule.attribute, std::move(constant));
  }
}

}  // namespace heed::onnx
