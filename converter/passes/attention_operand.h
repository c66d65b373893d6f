#pragma once
// Where the queries, keys, values and result of an attention lie: found by following the movements
// between the matrix products and the rows that projections write.

#include <optional>
#include <string>
#include <vector>

#include "converter/passes/strided_view.h"

namespace heed::passes {

/// A tensor that an operand may be a view of, and the operand as that view: dimensions
/// [batch and heads.., rows, width].
struct OperandSource {
  ValueId value;
  StridedView view;
  float scale;  // the constant factors on the way
};

/// The operand's possible sources, farthest first; the operand itself is the last. `swapped`: the
/// operand is [.., width, rows]. `outer`: what its leading dimensions are broadcast to.
std::vector<OperandSource> operand_sources(const Graph& graph, ValueId operand, bool swapped,
                                           const Shape& outer);

/// Rows [batch * rows][row_width] of `value`; head h's values begin at column + (h / group) *
/// width.
struct HeadRows {
  ValueId value;
  int64_t row_width, column, heads;  // heads: distinct ones
  float scale;
  /// Set where the heads' columns do not lie like that, but `value` is computed by a Linear: those
  /// of its outputs, head by head, that gather_columns makes a Linear of their own.
  std::vector<int64_t> columns;
};

/// The operand as rows, cut into `heads` heads per batch; nothing where no source lies so.
std::optional<HeadRows> find_rows(const std::vector<OperandSource>& sources, const Graph& graph,
                                  int64_t heads);

/// Makes the Linear that computes only rows.columns, in that order.
void gather_columns(Graph& graph, HeadRows& rows);

/// The same by force: the operand expanded, transposed and reshaped to [batch, rows, heads *
/// width].
HeadRows make_rows(Graph& graph, ValueId operand, bool swapped, const Shape& outer, int64_t heads,
                   const std::string& name);

/// The last value after `product` [batch and heads.., rows, width] that holds its elements in the
/// order [batch, rows, heads, width]; kNoValue where heads are not put side by side.
ValueId find_joined_heads(const Graph& graph, ValueId product, int64_t heads);

}  // namespace heed::passes
