#pragma once
// Einsum in plain ONNX: part of expand_contrib.

#include "converter/graph/graph.h"

namespace heed::passes {

/// Writes out node `id` where it is an Einsum of two operands that is a (batched) matrix product,
/// as Transpose, Reshape and MatMul.
bool expand_einsum(graph::Graph& graph, graph::NodeId id);

}  // namespace heed::passes
