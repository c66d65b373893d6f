#pragma once
// Reads a TensorFlow Lite model into a graph in ONNX's words: what, op by op, the recipes of
// ops_*.cpp say. Quantised tensors stand for the real numbers that they encode, so that QUANTIZE
// and DEQUANTIZE vanish and integer inputs and outputs become float32; int8 weights keep their
// grid. fold_constants() is the step after this one.

#include <string>
#include <string_view>

#include "converter/onnx/onnx_import.h"

namespace heed::tflite {

/// The first graph of the model, under the names of its signature where it has one. Throws
/// ConvertError: no TensorFlow Lite model, cut short, indices, types or sizes that do not fit, an
/// open dimension that only the user can fix, and ops that are not supported, all of them at once.
/// The result does not refer to `bytes`.
onnx::ImportedModel import_tflite_bytes(std::string_view bytes,
                                        const onnx::ImportOptions& options = {});

onnx::ImportedModel import_tflite_file(const std::string& path,
                                       const onnx::ImportOptions& options = {});

}  // namespace heed::tflite
