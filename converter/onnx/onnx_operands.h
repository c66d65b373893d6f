#pragma once
// Operands that older opsets wrote as attributes.

#include "converter/graph/graph.h"

namespace heed::onnx {

/// Moves a node's axes, pads, split, shape and bounds from attributes to constant operands where
/// the node gives them so. The node is not in the graph yet.
void attributes_to_operands(graph::Graph& graph, graph::Node& node);

}  // namespace heed::onnx
