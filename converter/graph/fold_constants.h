#pragma once
// Makes a freshly imported graph simple: all that depends on constants and static shapes alone is
// computed now.

#include "converter/graph/graph.h"

namespace heed::graph {

/// Sorts, infers shapes and folds in one sweep: nodes with constant operands, Shape and Size of
/// known shapes, If with a constant condition (the chosen branch moves into the graph), Identity,
/// Dropout, and Casts, Reshapes, Transposes, Expands, Slices, Concats and the like that change
/// nothing. Removes dead nodes and leaves the graph sorted, every live value with type and shape.
/// Throws ConvertError as infer_shapes does, and where the graph has a cycle.
void fold_constants(Graph& graph);

}  // namespace heed::graph
