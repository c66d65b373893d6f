#pragma once
// Which nodes share one op of the file: an op that computes rows takes the residual add and the
// norm that follow it into its epilogue.

#include <cstdint>
#include <optional>
#include <vector>

#include "converter/graph/graph.h"
#include "converter/lower_aliases.h"
#include "converter/quantize/precision.h"

namespace heed {

/// core -> (+ residual) -> r -> (norm) -> n. The nodes after the core are absorbed.
struct Chain {
  graph::NodeId core = graph::kNoNode;
  graph::ValueId residual = graph::kNoValue;  // the core's own or an absorbed Add's
  graph::ValueId r = graph::kNoValue;         // after the residual; kNoValue: the core is the norm
  graph::NodeId norm = graph::kNoNode;
  graph::ValueId n = graph::kNoValue;
  bool per_batch = false;                     // one op per batch: no norm and no int8 rows

  graph::ValueId result() const { return norm == graph::kNoNode ? r : n; }
};

/// An Add whose one operand has the output's shape and whose other repeats by rows.
struct RowsAdd {
  graph::ValueId x, residual;
};
std::optional<RowsAdd> rows_add(const graph::Graph& graph, const graph::Node& node);

/// True when rows of `value` repeat to make `shape`: without leading ones a suffix of it, with the
/// same last dimension.
bool repeats_rows(const graph::Shape& value, const graph::Shape& shape);

class Chains {
 public:
  Chains(const graph::Graph& graph, const Aliases& aliases, const PrecisionPlan& precision);

  /// The chain that begins at this node, or null.
  const Chain* of(graph::NodeId node) const;
  /// Some chain takes this node along: nothing is to be done for it.
  bool absorbed(graph::NodeId node) const { return absorbed_[static_cast<size_t>(node)]; }
  /// The chain whose result has the rows of `root`, or null.
  const Chain* making(graph::ValueId root) const;

 private:
  bool is_core(graph::NodeId id) const;
  void grow(graph::NodeId core);
  void absorb_add(Chain& chain);
  void absorb_norm(Chain& chain);
  /// Place in the order after which a value is there; -1: from the start.
  int32_t ready(graph::ValueId value) const;

  const graph::Graph& graph_;
  const Aliases& aliases_;
  const PrecisionPlan& precision_;
  std::vector<int32_t> position_;     // by node
  std::vector<int32_t> made_at_;      // by value: position of the chain's core, -1: unknown
  std::vector<int32_t> chain_of_;     // by node
  std::vector<int32_t> making_;       // by value
  std::vector<bool> absorbed_;
  std::vector<Chain> chains_;
};

}  // namespace heed
