#pragma once
// Types and shapes of every value from those of the graph's inputs, attributes and constants.

#include "converter/graph/graph.h"

namespace heed::graph {

/// Fills dtype and shape of every value a live node produces. The graph must be sorted; inputs and
/// constants must have shapes. Throws one ConvertError that lists every node that is unsupported
/// or contradicts itself: name, type, attributes, reason.
void infer_shapes(Graph& graph);

/// The same for one node whose inputs are known. Throws ConvertError.
void infer_node(Graph& graph, NodeId node);

}  // namespace heed::graph
