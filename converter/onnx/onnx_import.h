#pragma once
// Reads an ONNX model (opset 11 and later) into a graph: weights as constants, local functions
// inlined, dimensions that the source leaves open fixed. What older opsets wrote as attributes and
// newer ones as operands (axes, pads, split, bounds of Clip and Slice) always comes as operands.
// fold_constants() is the step after this one.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::onnx {

struct ImportOptions {
  /// Shapes of inputs that the source leaves open: input name -> all its dimensions.
  std::map<std::string, graph::Shape> shapes;
};

struct ImportedModel {
  graph::Graph graph;                // sorted; inputs with shapes, nothing else inferred yet
  std::vector<std::string> notes;    // what was assumed, one sentence each
  std::string producer;              // "pytorch 2.4.0"
};

/// Throws ConvertError: not readable, not ONNX, cut short, types or sizes that contradict each
/// other, an open dimension that only the user can fix, external data outside the model's folder.
ImportedModel import_onnx_file(const std::string& path, const ImportOptions& options = {});

/// The same from memory. `folder` is where external data may lie; empty: nowhere. The result does
/// not refer to `bytes`.
ImportedModel import_onnx_bytes(std::string_view bytes, const std::string& folder = "",
                                const ImportOptions& options = {});

}  // namespace heed::onnx
