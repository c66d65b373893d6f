#pragma once
// The attention ops of ONNX and com.microsoft in plain ONNX: part of expand_contrib.

#include "converter/passes/pass.h"

namespace heed::passes {

/// Writes out node `id` where it is Attention (ONNX or com.microsoft) or MultiHeadAttention, as
/// softmax(scale * q k^T + masks) v over [batch, heads, rows, width].
bool expand_attention(graph::Graph& graph, PassReport& report, graph::NodeId id);

}  // namespace heed::passes
