#include "converter/tflite/op_writer.h"

#include <numeric>

#include "converter/graph/convert_error.h"
#include "converter/graph/infer_shapes.h"
#include "converter/graph/op_call.h"
#include "converter/graph/op_rules.h"
#include "converter/graph/respell.h"
#include "converter/tflite/tflite_tensor.h"

namespace heed::tflite {
namespace {

/// Shapes, axes, indices: what later ops need to know of now. Larger constants are folded later.
constexpr int64_t kSmall = 4096;
constexpr size_t kNodesMax = 1u << 20;

}  // namespace

std::string result_name(const std::string& node, size_t i) {
  return node + ":" + std::to_string(i);
}

ValueId OpWriter::in(size_t i) const {
  if (!has(i)) fail("operand " + std::to_string(i) + " is missing");
  if (operands_[i].imaginary != kNoValue) fail("it does not take complex numbers");
  return operands_[i].value;
}

const tfl::Tensor& OpWriter::tensor_in(size_t i) const {
  if (!has(i)) fail("operand " + std::to_string(i) + " is missing");
  return *operands_[i].tensor;
}

const Operand& OpWriter::complex_in(size_t i) const {
  if (!has(i)) fail("operand " + std::to_string(i) + " is missing");
  if (operands_[i].imaginary == kNoValue) fail("its operand is not complex");
  return operands_[i];
}

const tfl::Tensor& OpWriter::tensor_out(size_t i) const {
  if (i >= results()) fail("result " + std::to_string(i) + " is missing");
  const int32_t index = op_.outputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
  if (index < 0) fail("result " + std::to_string(i) + " is missing");
  return *within_.tensors()->Get(static_cast<flatbuffers::uoffset_t>(index));
}

DType OpWriter::result_type(size_t i) const { return graph_type(tensor_out(i)); }

Ints OpWriter::ints_in(size_t i, const char* what) const {
  const Constant* known = constant(in(i));
  if (known == nullptr) {
    fail(std::string("its ") + what + " are not constant but computed when the model runs");
  }
  if (known->dtype != DType::i64) fail(std::string("its ") + what + " are not integers");
  return known->i64;
}

int64_t OpWriter::int_in(size_t i, const char* what) const {
  const Ints list = ints_in(i, what);
  if (list.size() != 1) fail(std::string("its ") + what + " must be one number");
  return list[0];
}

ValueId OpWriter::weights_in(size_t i) const {
  const ValueId id = in(i);
  if (constant(id) != nullptr) need_symmetric_weights(tensor_in(i));
  return id;
}

std::string OpWriter::next_name() { return stem_ + "/" + std::to_string(count_++); }

Ids OpWriter::nodes(const std::string& op, Ids inputs, Attributes attributes, size_t results) {
  graph::Node added;
  added.op = op;
  added.name = next_name();
  added.inputs = std::move(inputs);
  added.attributes = std::move(attributes);
  for (size_t i = 0; i < results; ++i) {
    added.outputs.push_back(graph_.add_value(result_name(added.name, i)));
  }
  const Ids made = added.outputs;
  const size_t first = graph_.node_count();
  graph_.add_node(std::move(added));
  settle(first);
  return made;
}

/// Infers the new nodes; those that no rule computes come in other words first.
void OpWriter::settle(size_t first) {
  for (size_t i = first; i < graph_.node_count(); ++i) {
    const auto id = static_cast<graph::NodeId>(i);
    if (graph_.node_count() > kNodesMax) fail("the model has too many nodes");
    if (graph_.node(id).dead) continue;
    const graph::Node& node = graph_.node(id);
    if (graph::find_rule(node.domain, node.op) == nullptr && graph::respell(graph_, id)) continue;
    graph::infer_node(graph_, id);
    fold_small(id);
  }
}

void OpWriter::fold_small(graph::NodeId id) {
  const graph::Node& node = graph_.node(id);
  const graph::OpRule& rule = *graph::find_rule(node.domain, node.op);
  graph::OpCall call(node, graph_.opset);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const graph::Value& value = graph_.value(node.inputs[i]);
    const bool small = value.constant && value.constant->elements() <= kSmall;
    if (!small && !rule.shape_only) return;
    call.operands[i] = {true, value.dtype, *value.shape, value.constant.get()};
  }
  rule.infer(call);
  for (const Constant& result : call.results) {
    if (graph::element_count(result.shape) > kSmall) return;
  }
  call.allocate();
  rule.evaluate(call);
  const Ids outputs = node.outputs;
  graph_.erase(id);
  for (size_t i = 0; i < outputs.size(); ++i) {
    graph_.value(outputs[i]).constant =
        std::make_shared<const Constant>(std::move(call.results[i]));
  }
}

ValueId OpWriter::constant(Constant made) {
  return graph_.add_constant(next_name(), std::make_shared<const Constant>(std::move(made)));
}

ValueId OpWriter::floats(Shape shape, std::vector<float> values) {
  Constant made;
  made.shape = std::move(shape);
  made.f32 = std::move(values);
  return constant(std::move(made));
}

ValueId OpWriter::integers(Ints list) {
  Constant made;
  made.dtype = DType::i64;
  made.shape = {static_cast<int64_t>(list.size())};
  made.i64 = std::move(list);
  return constant(std::move(made));
}

ValueId OpWriter::integer(int64_t value) {
  Constant made;
  made.dtype = DType::i64;
  made.i64 = {value};
  return constant(std::move(made));
}

ValueId OpWriter::reshape(ValueId x, Shape to) {
  if (shape(x) == to) return x;
  return node("Reshape", {x, integers(std::move(to))}, {{"allowzero", int64_t{1}}});
}

ValueId OpWriter::transpose(ValueId x, Ints perm) {
  if (std::is_sorted(perm.begin(), perm.end())) return x;
  return node("Transpose", {x}, {{"perm", std::move(perm)}});
}

ValueId OpWriter::slice(ValueId x, int64_t axis, int64_t begin, int64_t end) {
  return node("Slice", {x, integers({begin}), integers({end}), integers({axis})});
}

ValueId OpWriter::turned(ValueId x) {
  Ints perm(shape(x).size());
  need(perm.size() >= 2, "it needs matrices");
  std::iota(perm.begin(), perm.end(), int64_t{0});
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transpose(x, std::move(perm));
}

ValueId OpWriter::cast(ValueId x, DType to) {
  if (dtype(x) == to) return x;
  return node("Cast", {x}, {{"to", int64_t{to == DType::f32 ? 1 : to == DType::boolean ? 9 : 7}}});
}

ValueId OpWriter::activated(ValueId x, tfl::FusedActivation activation) {
  switch (activation) {
    case tfl::FusedActivation::none:
      return x;
    case tfl::FusedActivation::relu:
      return node("Relu", {x});
    case tfl::FusedActivation::relu6:
      return node("Clip", {x, number(0), number(6)});
    case tfl::FusedActivation::relu_n1_to_1:
      return node("Clip", {x, number(-1), number(1)});
    case tfl::FusedActivation::tanh:
      return node("Tanh", {x});
    default:
      fail("its fused activation is not supported");
  }
}

int64_t OpWriter::axis(int64_t given, int64_t rank) const {
  const int64_t at = given < 0 ? given + rank : given;
  if (at < 0 || at >= rank) fail("axis " + std::to_string(given) + " is out of range");
  return at;
}

void OpWriter::fail(const std::string& why) const { throw ConvertError(why); }

const OpRecipe* find_recipe(int32_t op_code) {
  static const std::map<int32_t, OpRecipe> by_code = [] {
    std::map<int32_t, OpRecipe> recipes;
    for (const auto& family : {math_recipes(), layer_recipes(), layout_recipes(),
                               selection_recipes(), signal_recipes()}) {
      for (const OpRecipe& recipe : family) recipes[static_cast<int32_t>(recipe.op)] = recipe;
    }
    return recipes;
  }();
  const auto found = by_code.find(op_code);
  return found == by_code.end() ? nullptr : &found->second;
}

}  // namespace heed::tflite
