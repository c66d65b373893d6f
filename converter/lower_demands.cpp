#include <algorithm>

#include "converter/graph/fused_ops.h"
#include "converter/lowering.h"

namespace heed {

using graph::Node;
using graph::NodeId;
using graph::ValueId;
using graph::kFusedDomain;
using graph::kNoValue;

bool reads_q8(const graph::Graph& graph, NodeId id, const PrecisionPlan& precision, Q8Spec* spec) {
  const auto found = precision.find(id);
  if (found == precision.end() || !found->second.int8) return false;
  const Node& node = graph.node(id);
  if (node.is("Embedding", kFusedDomain) || node.is("Attention", kFusedDomain)) return false;
  spec->group = found->second.group;
  spec->halo = node.is("FramesLinear", kFusedDomain)
                   ? static_cast<uint32_t>(node.int_or("pad", 0))
                   : 0;
  return true;
}

Demands::Demands(const graph::Graph& graph, const Aliases& aliases, const Chains& chains,
                 const PrecisionPlan& precision)
    : graph_(graph),
      aliases_(aliases),
      chains_(chains),
      precision_(precision),
      plain_(graph.value_count(), false),
      q8_(graph.value_count()) {
  for (const ValueId output : graph.outputs) want_plain(output);
  for (const NodeId id : graph.order()) of_node(id);
  // Int8 rows that no op stores directly are made from plain ones.
  for (size_t v = 0; v < q8_.size(); ++v) {
    if (q8_[v].empty()) continue;
    const auto root = static_cast<ValueId>(v);
    const Chain* chain = chains.making(root);
    if (!chain || chain->per_batch || q8_[v].size() > 1) want_plain(root);
  }
}

void Demands::of_node(NodeId id) {
  // An absorbed node reads its chain's rows in registers; its other operand is the chain's.
  if (aliases_.is_alias_node(id) || chains_.absorbed(id)) return;
  const Node& node = graph_.node(id);
  const Chain* chain = chains_.of(id);
  if (chain && chain->residual != kNoValue) want_plain(chain->residual);
  Q8Spec spec;
  size_t first = 0;
  if (chain && !chain->per_batch && reads_q8(graph_, id, precision_, &spec)) {
    want_q8(node.inputs[0], spec);
    first = 1;
  }
  for (size_t i = first; i < node.inputs.size(); ++i)
    if (node.inputs[i] != kNoValue) want_plain(node.inputs[i]);
}

void Demands::want_plain(ValueId value) {
  while (!graph_.constant(value) && !plain_[static_cast<size_t>(value)]) {
    plain_[static_cast<size_t>(value)] = true;
    const ValueId base = aliases_.alias(value).base;
    if (base == kNoValue) return;
    value = base;
  }
}

void Demands::want_q8(ValueId value, Q8Spec spec) {
  auto& specs = q8_[static_cast<size_t>(aliases_.rows_root(value))];
  if (std::find(specs.begin(), specs.end(), spec) == specs.end()) specs.push_back(spec);
}

}  // namespace heed
