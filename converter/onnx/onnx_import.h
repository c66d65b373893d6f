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
  /// Sizes of dimensions that the source names and leaves open: name -> size.
  std::map<std::string, int64_t> dims;
  /// Inputs that are constants, every element of this value: a switch such as use_cache_branch.
  std::map<std::string, double> constants;
  /// Tokens that a decoder's states hold in place of its past (past_to_state.h); 0: its past comes
  /// and goes as inputs and outputs.
  int64_t keep_past = 0;
  /// Other sources have the same options: names that this one lacks are no mistake.
  bool shared = false;
};

/// What options may name.
struct OpenNames {
  std::vector<std::string> inputs;
  std::vector<std::string> dims;  // each once
  std::vector<std::string> sums;  // "past + 1", and plain names, as the source has them

  bool has_input(const std::string& name) const;
  bool has_dim(const std::string& name) const;
};

struct ImportedModel {
  graph::Graph graph;                // sorted; inputs with shapes, nothing else inferred yet
  std::vector<std::string> notes;    // what was assumed, one sentence each
  OpenNames names;
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
