#pragma once
// The float source against its .heed file, layer by layer: what int8 costs and where.

#include <cstdint>
#include <string>
#include <vector>

#include "converter/convert.h"

namespace heed {

struct CompareOptions {
  std::map<std::string, double> constants;  // inputs that are constants in the .heed file
  std::vector<ConvertSample> samples;  // none: random inputs
  uint64_t seed = 1;
  int32_t random_samples = 2;
};

struct CompareReport {
  std::vector<OutputError> outputs;
  std::vector<LayerError> layers;      // worst first
  int32_t samples = 0;
  bool random_inputs = false;
};

/// Runs each source with the float evaluator, and the entry point of the same name in the .heed
/// file with the engine, on equal inputs. Errors are ConvertError.
CompareReport compare(const std::vector<ConvertSource>& sources, const std::string& heed_path,
                      const CompareOptions& options);

std::string compare_text(const CompareReport& report, size_t layers = 20);
std::string compare_json(const CompareReport& report);

}  // namespace heed
