#pragma once
// Types and shapes of every value from those of the graph's inputs, attributes and constants.

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::graph {

/// Fills dtype and shape of every value a live node produces. The graph must be sorted; inputs and
/// constants must have shapes. Throws one ConvertError that lists every node that is unsupported
/// or contradicts itself: name, type, attributes, reason.
void infer_shapes(Graph& graph);

/// The same for one node whose inputs are known. Throws ConvertError.
void infer_node(Graph& graph, NodeId node);

/// Gathers the faults of a sweep over nodes, so that the user learns of all at once.
class FaultList {
 public:
  /// True where the node can only fail for want of an operand that an earlier fault left unknown.
  bool reaches(const Graph& graph, NodeId node);
  /// Runs `action`; a ConvertError becomes a line about the node.
  void attempt(const Graph& graph, NodeId node, const std::function<void()>& action);
  /// Throws one ConvertError with all lines; returns where there are none.
  void report() const;

 private:
  std::vector<std::string> lines_;
  std::set<ValueId> unknown_;
};

}  // namespace heed::graph
