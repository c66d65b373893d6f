#include "models/families/net.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/fused_ops.h"
#include "converter/graph/infer_shapes.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"
#include "converter/graph/respell.h"

namespace heed::families {
namespace {

using graph::Attributes;
using graph::Constant;
using graph::kFusedDomain;

constexpr float kHiddenScore = 1000.0f;  // far enough below all others to weigh nothing

bool fits(const Shape& shape, const Shape& expected) {
  return expected.empty() ||
         std::equal(shape.begin(), shape.end(), expected.begin(), expected.end(),
                    [](int64_t have, int64_t want) { return want < 0 || have == want; });
}

std::string wanted_text(const Shape& expected) {
  std::string text = graph::shape_text(expected);
  for (size_t at; (at = text.find("-1")) != std::string::npos;) text.replace(at, 2, "?");
  return text;
}

}  // namespace

std::string Checkpoint::prefix_of(const std::string& tensor,
                                  const std::vector<std::string>& prefixes) const {
  for (const std::string& prefix : prefixes)
    if (has(prefix + tensor)) return prefix;
  throw ConvertError("it has no tensor '" + prefixes.front() + tensor + "'", "checkpoint",
                     "The weights belong to another kind of model than config.json says");
}

Net::Net(Checkpoint& checkpoint) : checkpoint_(checkpoint) { graph_.opset = 18; }

std::string Net::unique(const std::string& name) {
  std::string made = name;
  while (!names_.insert(made).second) made = name + "_" + std::to_string(++counts_[name]);
  return made;
}

const Shape& Net::shape(ValueId value) const { return *graph_.value(value).shape; }

int64_t Net::size(ValueId value, int64_t i) const {
  const Shape& dims = shape(value);
  return dims.at(static_cast<size_t>(i < 0 ? i + static_cast<int64_t>(dims.size()) : i));
}

ValueId Net::input(const std::string& name, Shape shape, DType dtype) {
  const ValueId value = graph_.add_value(unique(name), dtype, std::move(shape));
  graph_.inputs.push_back(value);
  return value;
}

void Net::output(const std::string& name, ValueId value) {
  // A name of its own; the passes drop nodes that only rename.
  const ValueId named = op("Identity", {value}, {}, name);
  graph_.outputs.push_back(named);
}

ValueId Net::weight(const std::string& name, const Shape& expected) {
  const auto known = weights_.find(name);
  const std::optional<Shape> shape = checkpoint_.shape(name);
  if (!shape) {
    throw ConvertError(
        "tensor '" + name + "' is missing; the model needs it as " + wanted_text(expected),
        "checkpoint");
  }
  if (!fits(*shape, expected)) {
    throw ConvertError("tensor '" + name + "' is " + graph::shape_text(*shape) +
                           "; the model needs it as " + wanted_text(expected),
                       "checkpoint");
  }
  if (known != weights_.end()) return known->second;
  graph::ConstantPtr made = checkpoint_.tensor(name);
  if (made->dtype != DType::f32)
    throw ConvertError("tensor '" + name + "' holds integers", "checkpoint");
  const ValueId value = graph_.add_constant(unique(name), std::move(made));
  weights_[name] = value;
  return value;
}

ValueId Net::floats(const std::string& name, Shape shape, std::vector<float> values) {
  auto made = std::make_shared<Constant>();
  made->shape = std::move(shape);
  made->f32 = std::move(values);
  return graph_.add_constant(unique(name), std::move(made));
}

ValueId Net::integers(const std::string& name, Shape shape, std::vector<int64_t> values) {
  auto made = std::make_shared<Constant>();
  made->dtype = DType::i64;
  made->shape = std::move(shape);
  made->i64 = std::move(values);
  return graph_.add_constant(unique(name), std::move(made));
}

ValueId Net::scalar(float value) { return floats("number", {}, {value}); }

ValueId Net::linear(ValueId x, const std::string& prefix, int64_t outputs,
                    const std::string& activation) {
  const ValueId w = weight(prefix + ".weight", {outputs, size(x, -1)});
  const bool biased = checkpoint_.has(prefix + ".bias");
  return linear(x, w, biased ? weight(prefix + ".bias", {outputs}) : kNoValue, prefix, activation);
}

ValueId Net::linear(ValueId x, ValueId weight, ValueId bias, const std::string& name,
                    const std::string& activation) {
  std::vector<ValueId> inputs = {x, weight};
  if (bias != kNoValue) inputs.push_back(bias);
  return op("Linear", std::move(inputs), {{"activation", activation}}, name, kFusedDomain);
}

ValueId Net::linear(ValueId x, const std::vector<Part>& parts, const std::string& name) {
  const int64_t inputs = size(x, -1);
  std::vector<float> weights, biases;
  bool biased = false;
  for (const Part& part : parts) {
    weight(part.prefix + ".weight", {part.outputs, inputs});
    const std::vector<float>& w = checkpoint_.tensor(part.prefix + ".weight")->f32;
    weights.insert(weights.end(), w.begin(), w.end());
    if (checkpoint_.has(part.prefix + ".bias")) {
      biased = true;
      weight(part.prefix + ".bias", {part.outputs});
      const std::vector<float>& b = checkpoint_.tensor(part.prefix + ".bias")->f32;
      biases.insert(biases.end(), b.begin(), b.end());
    }
    biases.resize(weights.size() / static_cast<size_t>(inputs), 0.0f);
  }
  const auto outputs = static_cast<int64_t>(biases.size());
  const ValueId w = floats(name + ".weight", {outputs, inputs}, std::move(weights));
  return linear(x, w, biased ? floats(name + ".bias", {outputs}, std::move(biases)) : kNoValue,
                name);
}

ValueId Net::layer_norm(ValueId x, const std::string& prefix, double epsilon) {
  const Shape width = {size(x, -1)};
  std::vector<ValueId> inputs = {x, weight(prefix + ".weight", width)};
  if (checkpoint_.has(prefix + ".bias")) inputs.push_back(weight(prefix + ".bias", width));
  return op("Norm", std::move(inputs),
            {{"kind", std::string("layer")}, {"epsilon", static_cast<float>(epsilon)}}, prefix,
            kFusedDomain);
}

ValueId Net::rms_norm(ValueId x, const std::string& prefix, double epsilon) {
  return op("Norm", {x, weight(prefix + ".weight", {size(x, -1)})},
            {{"kind", std::string("rms")}, {"epsilon", static_cast<float>(epsilon)}}, prefix,
            kFusedDomain);
}

ValueId Net::batch_norm(ValueId x, const std::string& prefix, double epsilon) {
  std::vector<ValueId> inputs = {x};
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
    inputs.push_back(weight(prefix + part, {size(x, 1)}));
  return op("BatchNormalization", std::move(inputs), {{"epsilon", static_cast<float>(epsilon)}},
            prefix);
}

ValueId Net::perceptron(ValueId x, const std::string& prefix, int64_t width) {
  const ValueId last = weight(prefix + ".layers.2.weight", {-1, width});
  x = linear(x, prefix + ".layers.0", width, "Relu");
  x = linear(x, prefix + ".layers.1", width, "Relu");
  return linear(x, prefix + ".layers.2", shape(last)[0]);
}

ValueId Net::embedding(ValueId ids, const std::string& prefix, int64_t rows, int64_t width) {
  return op("Embedding", {weight(prefix + ".weight", {rows, width}), ids}, {}, prefix,
            kFusedDomain);
}

ValueId Net::conv(ValueId x, const std::string& prefix, int64_t outputs,
                  const std::vector<int64_t>& kernel, const ConvPlan& plan) {
  Shape dims = {outputs, size(x, 1) / std::max<int64_t>(1, plan.group)};
  dims.insert(dims.end(), kernel.begin(), kernel.end());
  std::vector<ValueId> inputs = {x, weight(prefix + ".weight", dims)};
  if (plan.bias) inputs.push_back(weight(prefix + ".bias", {outputs}));
  const auto given = [](const std::vector<int64_t>& numbers, size_t count, int64_t otherwise) {
    return numbers.empty() ? std::vector<int64_t>(count, otherwise) : numbers;
  };
  const size_t n = kernel.size();
  const ValueId made = op("Conv", std::move(inputs),
                          {{"kernel_shape", kernel},
                           {"strides", given(plan.strides, n, 1)},
                           {"dilations", given(plan.dilations, n, 1)},
                           {"pads", given(plan.pads, 2 * n, 0)},
                           {"group", plan.group}},
                          prefix);
  // The passes make rows of it under the layer's name: those are another value than this.
  graph_.value(made).name = unique(prefix + ".channels_first");
  return made;
}

ValueId Net::attention(ValueId q, ValueId k, ValueId v, const AttentionPlan& plan,
                       const std::string& name, ValueId mask, ValueId length) {
  const int64_t width = plan.head_width;
  const float scale = plan.scale != 0 ? plan.scale : 1.0f / std::sqrt(static_cast<float>(width));
  std::vector<ValueId> inputs = {q, k, v};
  if (mask != kNoValue || length != kNoValue) inputs.push_back(mask);
  if (length != kNoValue) inputs.push_back(length);
  return op("Attention", std::move(inputs),
            {{"heads", plan.heads},
             {"kv_heads", plan.kv_heads == 0 ? plan.heads : plan.kv_heads},
             {"head_width", width},
             {"value_width", plan.value_width == 0 ? width : plan.value_width},
             {"scale", scale},
             {"causal", int64_t{plan.causal}},
             {"window", plan.window},
             {"q_column", plan.q_column},
             {"k_column", plan.k_column},
             {"v_column", plan.v_column}},
            name, kFusedDomain);
}

ValueId Net::rope(ValueId x, ValueId angles, ValueId position, const RopePlan& plan,
                  const std::string& name) {
  std::vector<ValueId> inputs = {x, angles};
  if (position != kNoValue) inputs.push_back(position);
  return op("Rope", std::move(inputs),
            {{"heads", plan.heads},
             {"head_width", plan.head_width},
             {"x_column", plan.column},
             {"interleaved", int64_t{plan.interleaved}}},
            name, kFusedDomain);
}

ValueId Net::state(const std::string& name, Shape shape, int64_t head_width, const char* holds) {
  graph::Attributes attributes = {
      {"state", name}, {"head_width", head_width}, {"holds", std::string(holds)}};
  attributes["shape"] = std::move(shape);
  const ValueId made = op("State", {kNoValue}, std::move(attributes), name, kFusedDomain);
  graph_.value(made).name = unique(name + ".before");
  return made;
}

ValueId Net::append(ValueId state, ValueId x, ValueId position, int64_t x_column) {
  const std::string name = graph_.node(graph_.producer_id(state)).string_or("state", "state");
  return op("CacheAppend", {state, x, position}, {{"state", name}, {"x_column", x_column}},
            name + ".append", kFusedDomain);
}

ValueId Net::activation(ValueId x, const std::string& name) {
  return op("Activation", {x}, {{"activation", name}}, "", kFusedDomain);
}

ValueId Net::reshape(ValueId x, Shape shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  return op("Reshape", {x, integers("shape", {rank}, std::move(shape))});
}

ValueId Net::transpose(ValueId x, std::vector<int64_t> perm) {
  return op("Transpose", {x}, {{"perm", std::move(perm)}});
}

ValueId Net::slice(ValueId x, int64_t axis, int64_t start, int64_t end) {
  return op("Slice", {x, integers("start", {1}, {start}), integers("end", {1}, {end}),
                      integers("axis", {1}, {axis})});
}

ValueId Net::concat(std::vector<ValueId> parts, int64_t axis) {
  return op("Concat", std::move(parts), {{"axis", axis}});
}

ValueId Net::softmax(ValueId x, int64_t axis) { return op("Softmax", {x}, {{"axis", axis}}); }

ValueId Net::mean(ValueId x, std::vector<int64_t> axes, bool keep_dims) {
  const auto count = static_cast<int64_t>(axes.size());
  return op("ReduceMean", {x, integers("axes", {count}, std::move(axes))},
            {{"keepdims", int64_t{keep_dims}}});
}

ValueId Net::sum(ValueId x, std::vector<int64_t> axes, bool keep_dims) {
  const auto count = static_cast<int64_t>(axes.size());
  return op("ReduceSum", {x, integers("axes", {count}, std::move(axes))},
            {{"keepdims", int64_t{keep_dims}}});
}

ValueId Net::to_floats(ValueId x) { return op("Cast", {x}, {{"to", int64_t{1}}}); }

ValueId Net::key_mask(ValueId mask) {
  const ValueId kept = reshape(to_floats(mask), {size(mask, 0), 1, 1, size(mask, 1)});
  return mul(sub(kept, scalar(1.0f)), scalar(kHiddenScore));
}

ValueId Net::op(const std::string& op, std::vector<ValueId> inputs, Attributes attributes,
                const std::string& name, const std::string& domain) {
  return ops(op, std::move(inputs), 1, std::move(attributes), name, domain).front();
}

std::vector<ValueId> Net::ops(const std::string& op, std::vector<ValueId> inputs, size_t outputs,
                              Attributes attributes, const std::string& name,
                              const std::string& domain) {
  graph::Node node;
  node.op = op;
  node.domain = domain;
  node.name = unique(name.empty() ? op : name);
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  for (size_t i = 0; i < outputs; ++i)
    node.outputs.push_back(graph_.add_value(i == 0 ? node.name : unique(node.name)));
  const std::vector<ValueId> made = node.outputs;
  graph::infer_node(graph_, graph_.add_node(std::move(node)));
  return made;
}

ValueId Net::resize(ValueId x, int64_t height, int64_t width, const std::string& name) {
  graph::Node node;
  node.op = "Resize";
  node.name = unique(name);
  node.inputs = {x, kNoValue, kNoValue,
                 integers(name + "/size", {4}, {size(x, 0), size(x, 1), height, width})};
  node.attributes = {{"mode", std::string("linear")},
                     {"coordinate_transformation_mode", std::string("half_pixel")}};
  node.outputs = {graph_.add_value(node.name)};
  const ValueId made = node.outputs[0];
  // No rule computes it: other words for it do.
  const graph::NodeId id = graph_.add_node(std::move(node));
  graph_.sort();
  graph::respell(graph_, id);
  graph_.sort();
  for (const graph::NodeId part : graph_.order()) graph::infer_node(graph_, part);
  return made;
}

graph::Graph Net::finish() {
  graph_.sort();
  graph_.remove_dead();
  graph_.sort();
  return std::move(graph_);
}

std::string activation_named(const std::string& hidden_act) {
  static const std::map<std::string, const char*> names = {
      {"gelu", "GeluErf"},       {"gelu_python", "GeluErf"},
      {"gelu_new", "GeluTanh"},  {"gelu_pytorch_tanh", "GeluTanh"},
      {"gelu_fast", "GeluTanh"}, {"quick_gelu", "GeluSigmoid"},
      {"silu", "Silu"},          {"swish", "Silu"},
      {"relu", "Relu"},          {"tanh", "Tanh"},
      {"sigmoid", "Sigmoid"},    {"linear", ""}};
  const auto found = names.find(hidden_act);
  if (found != names.end()) return found->second;
  std::string known;
  for (const auto& entry : names) known += (known.empty() ? "" : ", ") + entry.first;
  throw ConvertError("the activation '" + hidden_act + "' is unknown; known are " + known,
                     "file 'config.json'");
}

}  // namespace heed::families
