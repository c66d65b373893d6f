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

OpenNames open_names(const std::vector<WireInfo>& inputs);

/// One for each of `inputs`. An open dimension takes the size that options.shapes gives it or, by
/// its name, options.dims or another input's shape; one that is called "past + 1" follows from
/// `past`. A batch becomes 1, with a note; any other is an error that names all dimensions
/// concerned and the options to give.
std::vector<InputShape> input_shapes(const std::vector<WireInfo>& inputs,
                                     const ImportOptions& options,
                                     std::vector<std::string>& notes);

/// A constant of one value in place of an input.
graph::ConstantPtr filled(const InputShape& input, double value);

}  // namespace heed::onnx
