// A lookup of rows in a constant table -> Embedding.

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

bool fuse_gather(Graph& graph, PassReport& report, NodeId id) {
  const Node node = graph.node(id);
  if (!node.is("Gather") || node.int_or("axis", 0) != 0) return false;
  const ValueId table = node.inputs[0], ids = node.inputs[1];
  if (floats_of(graph, table) == nullptr || shape_of(graph, table).size() != 2) return false;
  if (graph.constant(ids) != nullptr) return false;
  replace(graph, node.outputs[0], fused_node("Embedding", node.name, {table, ids}));
  report.fused("Embedding", node.name, {node.name});
  return true;
}

}  // namespace

bool fuse_embedding(Graph& graph, PassReport& report) {
  return rewrite_to_rest(graph, [&](Graph& g, NodeId id) { return fuse_gather(g, report, id); });
}

}  // namespace heed::passes
