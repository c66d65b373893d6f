#pragma once
// One pass case: build a graph, run all passes, and look at what it became. The outputs must not
// change.

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "converter/graph/print_graph.h"
#include "converter/passes/pass.h"
#include "tests/support/graph_builder.h"

namespace heed::test {

struct PassedGraph {
  graph::Graph graph;
  passes::PassReport report;

  int fused(const std::string& op) const { return count_ops(graph, op); }
  int general(const std::string& op) const { return count_ops(graph, op, ""); }
  int nodes() const { return static_cast<int>(graph.order().size()); }
  /// The first node of a fused op.
  const graph::Node& first(const std::string& op) const {
    for (graph::NodeId id : graph.order()) {
      if (graph.node(id).is(op, "heed")) return graph.node(id);
    }
    FAIL("no " << op << " in\n" << graph::print_graph(graph));
    return graph.node(0);
  }
  bool says(const std::string& part) const { return report.text().find(part) != std::string::npos; }
};

/// Runs all passes on a finished graph and checks that it computes what it did.
inline PassedGraph pass_all(graph::Graph before) {
  PassedGraph passed{before, {}};
  passes::run_passes(passed.graph, passed.report);
  INFO(graph::print_graph(passed.graph) << passed.report.text());
  CHECK(output_difference(before, passed.graph, random_inputs(before)) < 2e-5);
  return passed;
}

}  // namespace heed::test
