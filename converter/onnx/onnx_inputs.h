#pragma once
// Types and shapes of a model's inputs, and the rules for dimensions that the source leaves open.

#include <string>
#include <vector>

#include "converter/graph/graph.h"
#include "converter/onnx/onnx_import.h"
#include "converter/onnx/onnx_wire.h"

namespace heed::onnx {

struct InputShape {
  graph::DType dtype = graph::DType::f32;
  graph::Shape shape;
};

/// One for each of `inputs`. An open dimension takes the size that options.shapes gives it or,
/// through its symbol, another input's; a batch becomes 1, with a note; any other is an error that
/// names all inputs concerned and the --shape to give.
std::vector<InputShape> input_shapes(const std::vector<WireInfo>& inputs,
                                     const ImportOptions& options,
                                     std::vector<std::string>& notes);

}  // namespace heed::onnx
