#pragma once
// Ops that few models use, and old meanings of common ones, in the words that every later pass
// knows.

#include "converter/graph/graph.h"

namespace heed::graph {

/// Rewrites a node whose operands have shapes: CastLike to Cast; Softmax and LogSoftmax of opsets
/// below 13 to one over the last dimension; Einsum to Transpose, Reshape and MatMul;
/// GroupNormalization to InstanceNormalization between reshapes; LpNormalization to a division.
/// Returns true where nodes were added: the graph is then to be sorted and inferred anew. A node
/// that it has no other words for stays as it is.
bool respell(Graph& graph, NodeId node);

}  // namespace heed::graph
