#pragma once
// Ops that few models use, and old meanings of common ones, in the words that every later pass
// knows.

#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::graph {

/// Rewrites a node whose operands have shapes. Old meanings: CastLike to Cast; Softmax and
/// LogSoftmax of opsets below 13 to one over the last dimension. Ops that are others in disguise:
/// Einsum to Transpose, Reshape and MatMul; GroupNormalization to InstanceNormalization between
/// reshapes; LpNormalization to a division; Resize to weighted sums of Gathers; ConvTranspose to a
/// MatMul or a Conv; LSTM, GRU and RNN to their steps; Trilu, OneHot, GatherND and scatters to
/// known places to Where and Gather; activations to simpler ones.
/// Returns true where nodes were added: the graph is then to be sorted and inferred anew. A node
/// that it has no other words for stays as it is; where nothing computes it it throws
/// ConvertError.
bool respell(Graph& graph, NodeId node);

/// The names of the ops, all of ONNX, that it may rewrite.
std::vector<std::string> respelled_ops();

/// Whether a rule (op_rules.h) computes this op or respell() has other words for it.
bool is_known(const Node& node);

}  // namespace heed::graph
