#pragma once
// RotaryEmbedding, ONNX's own and com.microsoft's, in products and sums.

#include "converter/passes/rewrite.h"

namespace heed::passes {

/// Rewrites the node where it is a RotaryEmbedding.
bool expand_rotary(Graph& graph, NodeId id);

}  // namespace heed::passes
