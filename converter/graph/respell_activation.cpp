// Rare activations in terms of common ones.

#include "converter/graph/respell.h"
#include "converter/graph/speller.h"

namespace heed::graph {
namespace {

// gamma * (x > 0 ? x : alpha (exp(x) - 1))
ValueId selu(Speller& spell, const Node& node, ValueId x) {
  const float alpha = node.float_or("alpha", 1.67326319217681884765625f);
  const float gamma = node.float_or("gamma", 1.05070102214813232421875f);
  const ValueId bent = spell.node("Elu", {x}, {{"alpha", alpha}});
  return spell.node("Mul", {bent, spell.filled({}, gamma)});
}

// max(x, 0) + min(0, alpha (exp(x / alpha) - 1)) = alpha * elu(x / alpha)
ValueId celu(Speller& spell, const Node& node, ValueId x) {
  const float alpha = node.float_or("alpha", 1.0f);
  if (alpha == 1.0f) return spell.node("Elu", {x});
  const ValueId scaled = spell.node("Div", {x, spell.filled({}, alpha)});
  return spell.node("Mul", {spell.node("Elu", {scaled}), spell.filled({}, alpha)});
}

}  // namespace

bool respell_activation(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const ValueId x = node.inputs[0];
  Speller spell(graph, id);
  if (node.is("Mish")) {
    const ValueId gate = spell.node("Tanh", {spell.node("Softplus", {x})});
    spell.finish(spell.node("Mul", {x, gate}));
  } else if (node.is("Softsign")) {
    const ValueId size = spell.node("Abs", {x});
    spell.finish(spell.node("Div", {x, spell.node("Add", {size, spell.filled({}, 1.0f)})}));
  } else if (node.is("Selu")) {
    spell.finish(selu(spell, node, x));
  } else if (node.is("Celu")) {
    spell.finish(celu(spell, node, x));
  } else if (node.is("Erfc")) {
    const ValueId minus = spell.node("Mul", {spell.node("Erf", {x}), spell.filled({}, -1.0f)});
    spell.finish(spell.node("Add", {minus, spell.filled({}, 1.0f)}));
  } else {  // ThresholdedRelu
    const ValueId alpha = spell.filled({}, node.float_or("alpha", 1.0f));
    const ValueId passes = spell.node("Greater", {x, alpha});
    spell.finish(spell.node("Where", {passes, x, spell.filled({}, 0.0f)}));
  }
  return true;
}

}  // namespace heed::graph
