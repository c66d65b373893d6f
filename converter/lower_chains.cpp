#include "converter/lower_chains.h"

#include <algorithm>

#include "converter/graph/fused_ops.h"

namespace heed {
namespace {

using graph::Graph;
using graph::kFusedDomain;
using graph::kNoNode;
using graph::kNoValue;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

ValueId input_or_none(const Node& node, size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

bool has_residual_input(const Node& node) {
  return node.is("Linear", kFusedDomain) || node.is("FramesLinear", kFusedDomain) ||
         node.is("SignalLinear", kFusedDomain) || node.is("PixelsLinear", kFusedDomain);
}

bool cuts_frames(const Node& node) {
  return node.is("FramesLinear", kFusedDomain) || node.is("SignalLinear", kFusedDomain);
}

}  // namespace

bool repeats_rows(const graph::Shape& value, const graph::Shape& shape) {
  if (value.empty() || shape.empty() || value.back() != shape.back()) return false;
  size_t first = 0;
  while (first + 1 < value.size() && value[first] == 1) ++first;
  const size_t count = value.size() - first;
  return count <= shape.size() &&
         std::equal(value.begin() + static_cast<ptrdiff_t>(first), value.end(),
                    shape.end() - static_cast<ptrdiff_t>(count));
}

std::optional<RowsAdd> rows_add(const Graph& graph, const Node& node) {
  if (!node.is("Add") || graph.value(node.outputs[0]).dtype != graph::DType::f32)
    return std::nullopt;
  const graph::Shape& out = *graph.value(node.outputs[0]).shape;
  if (out.empty() || out.back() < 2) return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const ValueId x = node.inputs[i], residual = node.inputs[1 - i];
    if (x == residual || graph.constant(x)) continue;
    if (*graph.value(x).shape == out && repeats_rows(*graph.value(residual).shape, out))
      return RowsAdd{x, residual};
  }
  return std::nullopt;
}

Chains::Chains(const Graph& graph, const Aliases& aliases, const PrecisionPlan& precision)
    : graph_(graph),
      aliases_(aliases),
      precision_(precision),
      position_(graph.node_count(), -1),
      made_at_(graph.value_count(), -1),
      chain_of_(graph.node_count(), -1),
      making_(graph.value_count(), -1),
      absorbed_(graph.node_count(), false) {
  int32_t position = 0;
  for (const NodeId id : graph.order()) position_[static_cast<size_t>(id)] = position++;
  for (const NodeId id : graph.order())
    if (!absorbed(id) && is_core(id)) grow(id);
}

bool Chains::is_core(NodeId id) const {
  const Node& node = graph_.node(id);
  // Attention that is kept in float32 is several ops; none of them has an epilogue.
  if (node.is("Attention", kFusedDomain)) {
    const auto found = precision_.find(id);
    return found == precision_.end() || found->second.int8;
  }
  return has_residual_input(node) || node.is("Embedding", kFusedDomain) ||
         node.is("Depthwise", kFusedDomain) || node.is("Norm", kFusedDomain) ||
         node.is("Activation", kFusedDomain) || rows_add(graph_, node).has_value();
}

const Chain* Chains::of(NodeId node) const {
  const int32_t index = chain_of_[static_cast<size_t>(node)];
  return index < 0 ? nullptr : &chains_[static_cast<size_t>(index)];
}

const Chain* Chains::making(ValueId root) const {
  const int32_t index = making_[static_cast<size_t>(root)];
  return index < 0 ? nullptr : &chains_[static_cast<size_t>(index)];
}

void Chains::grow(NodeId core) {
  const Node& node = graph_.node(core);
  Chain chain;
  chain.core = core;
  if (node.is("Norm", kFusedDomain)) {
    chain.norm = core;
    chain.n = node.outputs[0];
  } else {
    chain.r = node.outputs[0];
    if (has_residual_input(node)) chain.residual = input_or_none(node, 3);
    if (const auto add = rows_add(graph_, node)) chain.residual = add->residual;
    chain.per_batch = cuts_frames(node) && (*graph_.value(chain.r).shape)[0] != 1;
    if (!chain.per_batch) {
      if (chain.residual == kNoValue) absorb_add(chain);
      absorb_norm(chain);
    }
  }
  const auto index = static_cast<int32_t>(chains_.size());
  for (const ValueId made : {node.outputs[0], chain.r, chain.n})
    if (made != kNoValue)
      made_at_[static_cast<size_t>(made)] = position_[static_cast<size_t>(core)];
  making_[static_cast<size_t>(aliases_.rows_root(chain.result()))] = index;
  chain_of_[static_cast<size_t>(core)] = index;
  chains_.push_back(chain);
}

void Chains::absorb_add(Chain& chain) {
  const ValueId root = aliases_.rows_root(chain.r);
  const std::vector<NodeId> users = aliases_.row_users(graph_, root);
  if (users.size() != 1 || aliases_.rows_are_output(graph_, root)) return;
  const Node& add = graph_.node(users[0]);
  const auto operands = rows_add(graph_, add);
  if (!operands || absorbed(users[0])) return;
  // Of two equal shapes either may be x; the chain's own value is.
  ValueId residual = kNoValue;
  if (aliases_.rows_root(operands->x) == root)
    residual = operands->residual;
  else if (aliases_.rows_root(operands->residual) == root &&
           *graph_.value(operands->residual).shape == *graph_.value(add.outputs[0]).shape)
    residual = operands->x;
  if (residual == kNoValue || ready(residual) >= position_[static_cast<size_t>(chain.core)]) return;
  chain.residual = residual;
  chain.r = add.outputs[0];
  absorbed_[static_cast<size_t>(users[0])] = true;
}

void Chains::absorb_norm(Chain& chain) {
  for (const NodeId user : aliases_.row_users(graph_, aliases_.rows_root(chain.r))) {
    const Node& norm = graph_.node(user);
    if (!norm.is("Norm", kFusedDomain) || absorbed(user)) continue;
    bool constants = true;
    for (size_t i = 1; i < norm.inputs.size(); ++i)
      constants = constants && (norm.inputs[i] == kNoValue || graph_.constant(norm.inputs[i]));
    if (!constants) continue;
    chain.norm = user;
    chain.n = norm.outputs[0];
    absorbed_[static_cast<size_t>(user)] = true;
    return;
  }
}

int32_t Chains::ready(ValueId value) const {
  while (aliases_.alias(value).base != kNoValue) value = aliases_.alias(value).base;
  if (made_at_[static_cast<size_t>(value)] >= 0) return made_at_[static_cast<size_t>(value)];
  const NodeId producer = graph_.producer_id(value);
  return producer == kNoNode ? -1 : position_[static_cast<size_t>(producer)];
}

}  // namespace heed
