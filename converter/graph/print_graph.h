#pragma once
// Graphs, shapes and nodes as text, for reports, errors and tests.

#include <string>

#include "converter/graph/graph.h"

namespace heed::graph {

/// "[1,98,40]"; a scalar is "[]".
std::string shape_text(const Shape& shape);
/// "f32", "i64", "bool", "string".
const char* dtype_text(DType dtype);
/// "node 'encoder/q' (MatMul)", with the domain where it is not ONNX's own.
std::string node_label(const Node& node);
/// "axis=1, perm=[0,2,1]", in the order of the names; tensors and subgraphs in brief.
std::string attributes_text(const Node& node);
/// One line per node in order(): "%y f32[1,8] = Linear(%x, %w) {activation=Relu} # name".
std::string print_graph(const Graph& graph);

}  // namespace heed::graph
