#pragma once
// Tensors of a TensorFlow Lite file as values of the graph. Quantised ones stand for the real
// numbers that they encode: the graph computes in those, and weights that lie on a grid of int8
// keep that grid when they are quantised (quantize/quantize_weights.h).

#include "converter/graph/graph.h"
#include "converter/tflite/tflite_file.h"

namespace heed::tflite {

/// How the elements of a tensor are meant. Throws ConvertError where its type is not supported.
graph::DType graph_type(const tfl::Tensor& tensor);
/// "int8", as the file says.
std::string type_text(const tfl::Tensor& tensor);
/// Whether integers stand for real numbers.
bool is_quantised(const tfl::Tensor& tensor);
graph::Shape shape_of(const tfl::Tensor& tensor);

/// The elements of a constant tensor: float16 widened, integers as i64, quantised ones as the real
/// numbers they stand for. Throws ConvertError where type, shape, bytes and scales do not fit.
graph::ConstantPtr make_constant(const TfliteFile& file, const tfl::Tensor& tensor);

/// Throws ConvertError where quantised weights are not what the kernels compute with: int8 (or
/// int4) around zero.
void need_symmetric_weights(const tfl::Tensor& tensor);

}  // namespace heed::tflite
