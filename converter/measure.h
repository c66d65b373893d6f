#pragma once
// The engine's answers beside the float source's, on the same inputs.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "converter/convert_report.h"
#include "converter/graph/graph.h"
#include "engine/heed.h"

namespace heed {

/// Values of every input of one entry point, in the order of Graph::inputs.
using InputValues = std::vector<graph::Constant>;

struct MeasuredEntry {
  const graph::Graph* source = nullptr;  // folded and sorted, not fused
  std::string entry_point;
  std::vector<InputValues> samples;
};

struct Measurement {
  std::vector<OutputError> outputs;
  std::vector<LayerError> layers;  // worst first
};

/// Runs all samples through both. Every stored tensor whose name is a value's of the source, with
/// kQ8Suffix or without, is compared with that value. Throws ConvertError where the engine refuses.
Measurement measure(const heed_model* model, const std::vector<MeasuredEntry>& entries);

/// Seeded inputs: floats about normal, integers within the tables they index, masks all ones.
/// The same on every machine.
std::vector<InputValues> random_inputs(const graph::Graph& source, uint64_t seed, int32_t count);

/// Inputs from .npy files. A file may hold several samples one after the other along its first
/// dimension. Adds to `digest` a text that identifies the samples. Throws ConvertError.
std::vector<InputValues> load_inputs(const graph::Graph& source,
                                     const std::vector<std::map<std::string, std::string>>& samples,
                                     std::string* digest);

}  // namespace heed
