#include "converter/onnx/past_to_state.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/fused_ops.h"

namespace heed::onnx {
namespace {

using graph::Attributes;
using graph::Constant;
using graph::DType;
using graph::Graph;
using graph::kFusedDomain;
using graph::kNoNode;
using graph::kNoValue;
using graph::Node;
using graph::NodeId;
using graph::Shape;
using graph::ValueId;

constexpr char kPast[] = "past_key_values";
constexpr char kPresent[] = "present";

/// The past that a present is of: "present.0.key" -> "past_key_values.0.key".
std::string past_of(const std::string& present) {
  return kPast + present.substr(std::string(kPresent).size());
}

const std::vector<int64_t> kSwapHeads = {0, 2, 1, 3};

/// Adds nodes that are named after one past.
class Maker {
 public:
  Maker(Graph& graph, std::string name) : graph_(graph), name_(std::move(name)) {}

  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {},
               const std::string& domain = "") {
    Node made;
    made.op = op;
    made.domain = domain;
    made.name = next();
    made.inputs = std::move(inputs);
    made.outputs = {graph_.add_value(made.name)};
    made.attributes = std::move(attributes);
    const ValueId output = made.outputs[0];
    graph_.add_node(std::move(made));
    return output;
  }
  ValueId integers(Shape shape, std::vector<int64_t> values) {
    Constant made;
    made.dtype = DType::i64;
    made.shape = std::move(shape);
    made.i64 = std::move(values);
    return graph_.add_constant(next(), std::make_shared<const Constant>(std::move(made)));
  }
  ValueId state(int64_t tokens, int64_t heads, int64_t width) {
    // Exporters call them past_key_values.0.key, .value, .decoder.key ..
    return node("State", {},
                {{"state", name_},
                 {"shape", std::vector<int64_t>{1, tokens, heads * width}},
                 {"head_width", width},
                 {"holds", std::string(name_.ends_with(".value") ? "values" : "keys")}},
                kFusedDomain);
  }
  /// New rows [1,H,T,D] join a state [1,C,H*D].
  ValueId append(ValueId state, ValueId fresh, int64_t row_width, ValueId position) {
    const ValueId rows = node("Transpose", {fresh}, {{"perm", kSwapHeads}});
    const ValueId flat = node("Reshape", {rows, integers({3}, {1, -1, row_width})});
    return node("CacheAppend", {state, flat, position},
                {{"state", name_}, {"x_column", int64_t{0}}}, kFusedDomain);
  }
  /// A state as the graph knows its past: [1,H,C,D].
  ValueId heads_first(ValueId rows, int64_t tokens, int64_t heads, int64_t width) {
    const ValueId split = node("Reshape", {rows, integers({4}, {1, tokens, heads, width})});
    return node("Transpose", {split}, {{"perm", kSwapHeads}});
  }

 private:
  std::string next() { return name_ + "/" + std::to_string(count_++); }

  Graph& graph_;
  std::string name_;
  int count_ = 0;
};

/// The integer of a constant of one element.
int64_t constant_or(const Graph& graph, ValueId value, int64_t otherwise) {
  const Constant* constant = value == kNoValue ? nullptr : graph.constant(value);
  const bool one = constant && constant->dtype == DType::i64 && constant->i64.size() == 1;
  return one ? constant->i64[0] : otherwise;
}

/// The Concat that puts the new tokens behind a past; kNoNode where there is none.
NodeId join_of(const Graph& graph, ValueId past) {
  for (const NodeId id : graph.value(past).users) {
    const Node& user = graph.node(id);
    if (!user.is("Concat") || user.inputs.size() != 2 || user.inputs[0] != past) continue;
    const int64_t axis = user.int_or("axis", 0);
    if (axis == 2 || axis == -2) return id;
  }
  return kNoNode;
}

/// The numbers of tokens that are read off the shape of a past.
void find_lengths(const Graph& graph, ValueId past, std::set<ValueId>& lengths) {
  for (const NodeId id : graph.value(past).users) {
    if (!graph.node(id).is("Shape")) continue;
    for (const NodeId user : graph.value(graph.node(id).outputs[0]).users) {
      const Node& picks = graph.node(user);
      if (!picks.is("Gather")) continue;
      const int64_t index = constant_or(graph, picks.inputs[1], -1);
      if (index == 2 || index == -2) lengths.insert(picks.outputs[0]);
    }
  }
}

void turn(Graph& graph, ValueId past, int64_t capacity, ValueId position) {
  Maker make(graph, graph.value(past).name);
  const Shape shape = *graph.value(past).shape;
  const int64_t heads = shape[1], width = shape[3];
  const NodeId join = join_of(graph, past);
  // Sizes stay those that the past was given: the graph's shapes are made of them.
  for (const NodeId id : std::vector<NodeId>(graph.value(past).users)) {
    if (graph.node(id).is("Shape"))
      graph.replace_uses(graph.node(id).outputs[0], make.integers({4}, shape));
  }
  if (join == kNoNode) {
    const ValueId state = make.state(shape[2], heads, width);
    graph.replace_uses(past, make.heads_first(state, shape[2], heads, width));
    return;
  }
  const ValueId fresh = graph.node(join).inputs[1], joined = graph.node(join).outputs[0];
  const ValueId state = make.state(capacity, heads, width);
  const ValueId rows = make.append(state, fresh, heads * width, position);
  std::erase(graph.outputs, joined);
  graph.replace_uses(joined, make.heads_first(rows, capacity, heads, width));
}

/// Range(length of the past, ..) are the positions of the new tokens.
void follow_position(Graph& graph, std::set<ValueId> lengths, ValueId position) {
  std::vector<ValueId> open(lengths.begin(), lengths.end());
  while (!open.empty()) {
    const ValueId length = open.back();
    open.pop_back();
    for (const NodeId id : graph.value(length).users) {
      const Node& user = graph.node(id);
      const bool same = user.is("Cast") || user.is("Squeeze") || user.is("Unsqueeze") ||
                        user.is("Identity") || user.is("Reshape");
      if (same && user.inputs[0] == length && lengths.insert(user.outputs[0]).second)
        open.push_back(user.outputs[0]);
    }
  }
  for (NodeId id = 0, end = static_cast<NodeId>(graph.node_count()); id < end; ++id) {
    const Node range = graph.node(id);
    if (!range.is("Range") || lengths.count(range.inputs[0]) == 0) continue;
    Maker make(graph, range.name + "/position");
    const ValueId count = make.node("Sub", {range.inputs[1], range.inputs[0]});
    const ValueId steps =
        make.node("Range", {make.integers({}, {0}), count, make.integers({}, {1})});
    graph.replace_uses(range.outputs[0], make.node("Add", {steps, position}));
  }
}

}  // namespace

bool is_past(const std::string& input) { return input.starts_with(kPast); }

void turn_past_into_state(Graph& graph, int64_t capacity) {
  std::vector<ValueId> pasts;
  std::set<ValueId> lengths;
  bool grows = false;
  for (const ValueId input : graph.inputs) {
    const graph::Value& value = graph.value(input);
    if (!is_past(value.name)) continue;
    if (!value.shape || value.shape->size() != 4 || (*value.shape)[0] != 1)
      throw ConvertError("a past that is not [1, heads, tokens, width] cannot become state",
                         "input '" + value.name + "'");
    pasts.push_back(input);
    if (join_of(graph, input) == kNoNode) continue;
    grows = true;
    find_lengths(graph, input, lengths);
  }
  if (pasts.empty()) return;
  for (const ValueId past : pasts) std::erase(graph.inputs, past);
  ValueId position = kNoValue;
  if (grows) {
    position = graph.add_value("position", DType::i64, Shape{1});
    graph.inputs.push_back(position);
    follow_position(graph, lengths, position);
  }
  for (const ValueId past : pasts) turn(graph, past, capacity, position);
  graph.remove_dead();
  graph.sort();
}

void keep_presents(Graph& graph, int64_t capacity) {
  const std::vector<ValueId> outputs = graph.outputs;
  for (const ValueId output : outputs) {
    const graph::Value& value = graph.value(output);
    if (!value.name.starts_with(kPresent) || !value.shape || value.shape->size() != 4) continue;
    const Shape shape = *value.shape;
    Maker make(graph, past_of(value.name));
    const bool grows = value.name.find(".encoder.") == std::string::npos;
    const int64_t row_width = shape[1] * shape[3];
    const ValueId state = make.state(grows ? capacity : shape[2], shape[1], shape[3]);
    make.append(state, output, row_width, make.integers({1}, {0}));
    std::erase(graph.outputs, output);
  }
  graph.sort();
}

void limit_to_present(Graph& graph) {
  for (const NodeId id : std::vector<NodeId>(graph.order())) {
    Node& node = graph.node(id);
    if (!node.is("Attention", kFusedDomain) || node.inputs.size() > 4) continue;
    const Node* keys = graph.producer(node.inputs[1], "CacheAppend", kFusedDomain);
    const Node* values = graph.producer(node.inputs[2], "CacheAppend", kFusedDomain);
    if (!keys || !values || keys->inputs[2] != values->inputs[2]) continue;
    const ValueId position = keys->inputs[2];
    if (graph.constant(position)) continue;
    const int64_t rows = (*graph.value(keys->inputs[1]).shape)[1];
    Maker make(graph, node.name + "/present");
    const ValueId length = make.node("Add", {position, make.integers({1}, {rows})});
    graph.value(length).dtype = DType::i64;
    graph.value(length).shape = Shape{1};
    graph.set_input(id, 4, length);
  }
  graph.remove_dead();
  graph.sort();
}

}  // namespace heed::onnx
