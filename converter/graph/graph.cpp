#include "converter/graph/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace heed::graph {
namespace {

void forget_user(Value& value, NodeId node) {
  auto found = std::find(value.users.begin(), value.users.end(), node);
  if (found != value.users.end()) value.users.erase(found);
}

template <class T>
const T* attribute(const Node& node, const std::string& key) {
  auto found = node.attributes.find(key);
  return found == node.attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

Attributes::Attributes() = default;
Attributes::Attributes(const Attributes&) = default;
Attributes::Attributes(Attributes&&) noexcept = default;
Attributes& Attributes::operator=(const Attributes&) = default;
Attributes& Attributes::operator=(Attributes&&) noexcept = default;
Attributes::~Attributes() = default;

int64_t Constant::elements() const {
  int64_t count = 1;
  for (int64_t dim : shape) count *= dim;
  return count;
}

int64_t Node::int_or(const std::string& key, int64_t otherwise) const {
  const int64_t* found = attribute<int64_t>(*this, key);
  return found ? *found : otherwise;
}

float Node::float_or(const std::string& key, float otherwise) const {
  if (const float* found = attribute<float>(*this, key)) return *found;
  const int64_t* whole = attribute<int64_t>(*this, key);
  return whole ? static_cast<float>(*whole) : otherwise;
}

std::string Node::string_or(const std::string& key, const std::string& otherwise) const {
  const std::string* found = attribute<std::string>(*this, key);
  return found ? *found : otherwise;
}

std::vector<int64_t> Node::ints_or(const std::string& key,
                                   const std::vector<int64_t>& otherwise) const {
  const std::vector<int64_t>* found = attribute<std::vector<int64_t>>(*this, key);
  return found ? *found : otherwise;
}

ValueId Graph::add_value(std::string value_name, DType dtype, std::optional<Shape> shape) {
  Value value;
  value.name = std::move(value_name);
  value.dtype = dtype;
  value.shape = std::move(shape);
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::add_constant(std::string value_name, ConstantPtr constant) {
  const ValueId id = add_value(std::move(value_name), constant->dtype, constant->shape);
  value(id).constant = std::move(constant);
  return id;
}

NodeId Graph::add_node(Node added) {
  const NodeId id = static_cast<NodeId>(nodes_.size());
  for (ValueId input : added.inputs) {
    if (input != kNoValue) value(input).users.push_back(id);
  }
  for (ValueId output : added.outputs) {
    if (output != kNoValue) value(output).producer = id;
  }
  nodes_.push_back(std::move(added));
  rank_.push_back(sorted_before_ ? kNoNode : id);
  return id;
}

// Kahn's algorithm; among the nodes that are ready the one of lowest rank goes first. A source
// node's rank is its id; a node added later ranks with the node whose output it took over, else
// with the last of its producers, so that it runs about where the code that it replaces ran.
bool Graph::sort() {
  std::vector<int32_t> waiting(nodes_.size(), 0);
  std::vector<NodeId> rank = rank_;
  using Key = std::pair<NodeId, NodeId>;
  std::priority_queue<Key, std::vector<Key>, std::greater<>> ready;
  size_t live = 0;
  auto make_ready = [&](NodeId id) {
    NodeId& key = rank[static_cast<size_t>(id)];
    if (key == kNoNode) {
      for (ValueId input : node(id).inputs) {
        const NodeId from = producer_id(input);
        if (from != kNoNode) key = std::max(key, rank[static_cast<size_t>(from)]);
      }
    }
    ready.push({key, id});
  };
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].dead) continue;
    ++live;
    for (ValueId input : nodes_[i].inputs) {
      if (producer_id(input) != kNoNode) ++waiting[i];
    }
    if (waiting[i] == 0) make_ready(static_cast<NodeId>(i));
  }
  std::vector<NodeId> order;
  order.reserve(live);
  while (!ready.empty()) {
    const NodeId id = ready.top().second;
    ready.pop();
    order.push_back(id);
    for (ValueId output : node(id).outputs) {
      if (output == kNoValue) continue;
      for (NodeId user : value(output).users) {
        if (--waiting[static_cast<size_t>(user)] == 0) make_ready(user);
      }
    }
  }
  sorted_before_ = true;
  if (order.size() != live) return false;
  order_ = std::move(order);
  return true;
}

void Graph::set_input(NodeId id, size_t index, ValueId input) {
  Node& changed = node(id);
  if (index >= changed.inputs.size()) changed.inputs.resize(index + 1, kNoValue);
  ValueId& slot = changed.inputs[index];
  if (slot != kNoValue) forget_user(value(slot), id);
  slot = input;
  if (input != kNoValue) value(input).users.push_back(id);
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  std::vector<NodeId> users = std::move(value(from).users);
  value(from).users.clear();
  for (NodeId user : users) {
    for (ValueId& input : node(user).inputs) {
      if (input == from) {
        input = to;
        value(to).users.push_back(user);
        break;  // one entry in `users` per use
      }
    }
  }
  std::replace(outputs.begin(), outputs.end(), from, to);
}

void Graph::take_output(NodeId id, size_t index, ValueId taken) {
  const NodeId old = value(taken).producer;
  if (old != kNoNode && old != id) {
    for (ValueId& output : node(old).outputs) {
      if (output == taken) output = kNoValue;
    }
    if (rank_[static_cast<size_t>(id)] == kNoNode) {
      rank_[static_cast<size_t>(id)] = rank_[static_cast<size_t>(old)];
    }
  }
  Node& taker = node(id);
  if (index >= taker.outputs.size()) taker.outputs.resize(index + 1, kNoValue);
  const ValueId before = taker.outputs[index];
  if (before != kNoValue && before != taken) value(before).producer = kNoNode;
  taker.outputs[index] = taken;
  value(taken).producer = id;
}

void Graph::erase(NodeId id) {
  Node& gone = node(id);
  if (gone.dead) return;
  for (ValueId input : gone.inputs) {
    if (input != kNoValue) forget_user(value(input), id);
  }
  for (ValueId output : gone.outputs) {
    if (output != kNoValue && value(output).producer == id) value(output).producer = kNoNode;
  }
  gone.dead = true;
  order_.erase(std::remove(order_.begin(), order_.end(), id), order_.end());
}

void Graph::remove_dead() {
  std::vector<bool> needed(nodes_.size(), false);
  std::vector<NodeId> open;
  auto need = [&](ValueId id) {
    const NodeId from = producer_id(id);
    if (from == kNoNode || needed[static_cast<size_t>(from)]) return;
    needed[static_cast<size_t>(from)] = true;
    open.push_back(from);
  };
  for (ValueId output : outputs) need(output);
  for (const Node& kept : nodes_)  // what it writes lives on
    if (kept.is("CacheAppend", "heed")) need(kept.outputs.at(0));
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    for (ValueId input : node(id).inputs) need(input);
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& gone = nodes_[i];
    if (gone.dead || needed[i]) continue;
    for (ValueId input : gone.inputs) {
      if (input != kNoValue) forget_user(value(input), static_cast<NodeId>(i));
    }
    for (ValueId output : gone.outputs) {
      if (output != kNoValue) value(output).producer = kNoNode;
    }
    gone.dead = true;
  }
  auto is_dead = [&](NodeId id) { return node(id).dead; };
  order_.erase(std::remove_if(order_.begin(), order_.end(), is_dead), order_.end());
}

bool Graph::is_output(ValueId id) const {
  return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
}

const Node* Graph::producer(ValueId id, std::string_view op, std::string_view domain) const {
  const NodeId from = producer_id(id);
  if (from == kNoNode || !node(from).is(op, domain)) return nullptr;
  return &node(from);
}

NodeId Graph::only_user(ValueId id) const {
  if (id == kNoValue || is_output(id)) return kNoNode;
  const std::vector<NodeId>& users = value(id).users;
  return users.size() == 1 ? users[0] : kNoNode;
}

const Constant* Graph::constant(ValueId id) const {
  return id == kNoValue ? nullptr : value(id).constant.get();
}

std::optional<float> Graph::scalar(ValueId id) const {
  const Constant* known = constant(id);
  if (known == nullptr || known->elements() != 1) return std::nullopt;
  if (known->dtype == DType::f32) return known->f32[0];
  if (known->dtype == DType::string) return std::nullopt;
  return static_cast<float>(known->i64[0]);
}

}  // namespace heed::graph
