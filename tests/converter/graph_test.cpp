// The graph keeps its books: producers, users, order.

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace {

using heed::graph::Graph;
using heed::graph::kNoNode;
using heed::graph::kNoValue;
using heed::graph::Node;
using heed::graph::NodeId;
using heed::graph::ValueId;

NodeId add(Graph& graph, const std::string& op, std::vector<ValueId> inputs,
           std::vector<ValueId> outputs) {
  Node node;
  node.op = op;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return graph.add_node(std::move(node));
}

/// x -> a -> b -> y, and x -> c, which nobody reads.
struct Chain {
  Graph graph;
  ValueId x, va, vb, vc;
  NodeId a, b, c;
  Chain() {
    x = graph.add_value("x");
    va = graph.add_value("a");
    vb = graph.add_value("b");
    vc = graph.add_value("c");
    graph.inputs = {x};
    graph.outputs = {vb};
    a = add(graph, "A", {x}, {va});
    b = add(graph, "B", {va}, {vb});
    c = add(graph, "C", {x}, {vc});
    REQUIRE(graph.sort());
  }
};

}  // namespace

TEST_CASE("Source order is kept where it is free, and repaired where it is not") {
  Chain chain;
  CHECK(chain.graph.order() == std::vector<NodeId>{chain.a, chain.b, chain.c});
  chain.graph.set_input(chain.a, 0, chain.vc);
  REQUIRE(chain.graph.sort());
  CHECK(chain.graph.order() == std::vector<NodeId>{chain.c, chain.a, chain.b});
}

TEST_CASE("A cycle is seen") {
  Chain chain;
  chain.graph.set_input(chain.a, 0, chain.vb);
  CHECK_FALSE(chain.graph.sort());
}

TEST_CASE("A node that takes over an output runs where the old one ran") {
  Chain chain;
  const NodeId fused = add(chain.graph, "AB", {chain.x}, {});
  chain.graph.take_output(fused, 0, chain.vb);
  CHECK(chain.graph.value(chain.vb).producer == fused);
  CHECK(chain.graph.node(chain.b).outputs[0] == kNoValue);
  REQUIRE(chain.graph.sort());
  chain.graph.remove_dead();
  CHECK(chain.graph.order() == std::vector<NodeId>{fused});
  CHECK(chain.graph.node(chain.c).dead);
  CHECK(chain.graph.value(chain.x).users == std::vector<NodeId>{fused});
}

TEST_CASE("Uses are replaced one by one, the graph's outputs among them") {
  Chain chain;
  const ValueId vd = chain.graph.add_value("d");
  const NodeId d = add(chain.graph, "D", {chain.va, chain.va}, {vd});
  chain.graph.replace_uses(chain.va, chain.x);
  CHECK(chain.graph.node(d).inputs == std::vector<ValueId>{chain.x, chain.x});
  CHECK(chain.graph.value(chain.va).users.empty());
  CHECK(chain.graph.value(chain.x).users.size() == 5);  // a, c, b and twice d
  chain.graph.replace_uses(chain.vb, vd);
  CHECK(chain.graph.outputs == std::vector<ValueId>{vd});
}

TEST_CASE("Erasing a node unlinks it from its operands and results") {
  Chain chain;
  chain.graph.erase(chain.b);
  CHECK(chain.graph.value(chain.va).users.empty());
  CHECK(chain.graph.value(chain.vb).producer == kNoNode);
  CHECK(chain.graph.order() == std::vector<NodeId>{chain.a, chain.c});
}

TEST_CASE("Questions about values answer for producers, only users and scalars") {
  Chain chain;
  CHECK(chain.graph.producer(chain.va, "A") == &chain.graph.node(chain.a));
  CHECK(chain.graph.producer(chain.va, "B") == nullptr);
  CHECK(chain.graph.producer(kNoValue, "A") == nullptr);
  CHECK(chain.graph.only_user(chain.va) == chain.b);
  CHECK(chain.graph.only_user(chain.vb) == kNoNode);  // an output has a reader outside
  CHECK(chain.graph.only_user(chain.x) == kNoNode);   // two readers
  auto seven = std::make_shared<heed::graph::Constant>();
  seven->dtype = heed::graph::DType::i64;
  seven->i64 = {7};
  const ValueId id = chain.graph.add_constant("seven", seven);
  CHECK(chain.graph.scalar(id) == 7.0f);
  CHECK_FALSE(chain.graph.scalar(chain.x).has_value());
}
