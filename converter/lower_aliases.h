#pragma once
// Values that need no memory and no op of their own: reshapes, and slices that are one piece of
// memory. And which values are the same matrix of rows, so that one int8 copy serves them all.

#include <cstdint>
#include <optional>
#include <vector>

#include "converter/graph/graph.h"

namespace heed {

/// What a Slice, Split or Gather with a known index takes from its input, per dimension of the
/// input. sizes may have dimensions of one that the output lacks.
struct SliceSpec {
  std::vector<int64_t> starts, steps, sizes;
};

/// The slice that output `index` of a node is; nothing when it is no slice or depends on values.
std::optional<SliceSpec> slice_of(const graph::Graph& graph, const graph::Node& node, size_t index);

/// Attribute `key`, or where a later opset made it an input, the constant at `input`; nothing when
/// neither is there.
std::optional<std::vector<int64_t>> ints_of(const graph::Graph& graph, const graph::Node& node,
                                            const char* key, size_t input);

class Aliases {
 public:
  explicit Aliases(const graph::Graph& graph);

  /// Bytes of `value` are those of base, beginning `offset` elements into it.
  struct Alias {
    graph::ValueId base = graph::kNoValue;  // kNoValue: the value has memory of its own
    int64_t offset = 0;
  };
  const Alias& alias(graph::ValueId value) const { return aliases_[static_cast<size_t>(value)]; }
  /// The node only renames memory: nothing is to be done for it.
  bool is_alias_node(graph::NodeId node) const { return alias_node_[static_cast<size_t>(node)]; }

  /// One value of those with equal rows: same elements in the same order, same last dimension.
  graph::ValueId rows_root(graph::ValueId value) const { return root_[static_cast<size_t>(value)]; }
  const std::vector<graph::ValueId>& same_rows(graph::ValueId root) const {
    return members_[static_cast<size_t>(root)];
  }
  /// Nodes that use any value with the rows of `root`, but for those that only reshape them.
  std::vector<graph::NodeId> row_users(const graph::Graph& graph, graph::ValueId root) const;
  bool rows_are_output(const graph::Graph& graph, graph::ValueId root) const;

 private:
  void note(const graph::Graph& graph, graph::ValueId value, graph::ValueId base, int64_t offset);

  std::vector<Alias> aliases_;
  std::vector<bool> alias_node_;
  std::vector<graph::ValueId> root_;
  std::vector<std::vector<graph::ValueId>> members_;
};

}  // namespace heed
