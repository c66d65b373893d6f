#pragma once
// Passes rewrite an imported, folded graph into the fused ops of fused_ops.h. Each keeps the value
// of every graph output, up to the rounding of float32.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::passes {

/// One rewrite: which source nodes became what.
struct Fusion {
  std::string pass;               // the pass's name
  std::string op;                 // the fused op: "Linear", "Attention", ...
  std::string node;               // the name of the new node
  std::vector<std::string> from;  // the names of the nodes it replaces
};

/// Something that looked like a pattern and was not: why, in a sentence that names the node.
struct NearMiss {
  std::string pass;
  graph::NodeId node = graph::kNoNode;
  std::string why;  // "MatMul 'x' is no attention: its scale is not a constant"
};

/// A node of the finished graph that no fused op took.
struct GeneralNode {
  std::string node, op;
  std::string why;  // of the near miss it belongs to; empty where nothing was tried
};

/// What the passes did to one graph: the material of a dry run.
class PassReport {
 public:
  /// What follows is the work of this pass.
  void begin(const char* pass) { pass_ = pass; }
  void fused(const char* op, const std::string& node, std::vector<std::string> from);
  /// Noted once for each pair of pass and node; the latest reason stands.
  void missed(graph::NodeId node, std::string why);
  /// Drops near misses whose nodes were fused after all, and lists what stayed general.
  void finish(const graph::Graph& graph);

  const std::vector<Fusion>& fusions() const { return fusions_; }
  const std::vector<NearMiss>& near_misses() const { return near_misses_; }
  const std::vector<GeneralNode>& general() const { return general_; }
  /// How many fusions made this op. Two fusions may have made one node (a residual joins a Linear).
  size_t count(const std::string& op) const;
  /// The report as text, a line for each fusion, general node and near miss.
  std::string text() const;

 private:
  const char* pass_ = "";
  std::vector<Fusion> fusions_;
  std::vector<NearMiss> near_misses_;
  std::vector<GeneralNode> general_;
};

struct Pass {
  const char* name;
  const char* what;  // what it does, in one sentence
  /// Rewrites the graph; gives whether it changed anything. The graph is sorted and has the shape
  /// of every value, before and after.
  bool (*run)(graph::Graph& graph, PassReport& report);
};

/// All passes in the order they run; pass_order.cpp gives the reason for each place.
std::span<const Pass> pass_order();

/// Runs them all, then checks that the graph is in order and every shape still holds. `graph` is
/// folded (fold_constants.h) and every live value has a shape. Throws ConvertError where a pass
/// left the graph inconsistent, naming pass and node: a fault of the converter, not of the model.
void run_passes(graph::Graph& graph, PassReport& report);

}  // namespace heed::passes
