#pragma once
// What a conversion did and what it cost, as a struct, as text and as JSON.

#include <cstdint>
#include <string>
#include <vector>

namespace heed {

/// How one stored tensor of the int8 model compares with the same value of the float source.
struct LayerError {
  std::string entry_point;
  std::string tensor;           // the value's name in the source
  std::string op;               // "linear", "attention", ...: what computed it
  double snr_db = 0;            // 10 log10(sum x^2 / sum (x - y)^2); kExactSnr when equal
  double cosine = 1;
  double max_abs = 0;           // largest |x - y|
  double rms = 0;               // of the float values, to judge max_abs by
};
inline constexpr double kExactSnr = 200.0;  // reported for equal tensors

/// One output over all samples.
struct OutputError {
  std::string entry_point, tensor;
  double snr_db = 0, cosine = 1, max_abs = 0;
  double answers_kept = -1;     // share of rows with the same arg-max; -1: not applicable
  int32_t samples = 0;
};

struct OpCount {
  std::string op;               // "linear int8", "linear float", "attention", "transpose", ...
  int32_t count = 0;
};

/// A node that no fused op took, and why where a pass has a reason.
struct GeneralNode {
  std::string entry_point, node, op, why;
};

struct EntryReport {
  std::string name;
  uint64_t arena_bytes = 0;       // the plan's peak
  uint64_t arena_lower_bound = 0; // largest sum of tensors that live at the same time
  int32_t source_nodes = 0;       // as imported
  std::vector<OpCount> ops;       // of the file, most frequent first
};

struct ConvertReport {
  std::string output;             // empty after a dry run
  uint64_t source_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t weight_bytes = 0;      // blobs of the file
  uint64_t memory_bytes = 0;      // heed_memory_needed() with one thread
  std::vector<EntryReport> entries;
  std::vector<GeneralNode> general;
  bool measured = false;
  bool random_inputs = false;     // measured on random values: an indication, no more
  std::vector<OutputError> outputs;
  std::vector<LayerError> layers; // worst first
  std::vector<std::string> kept_float;  // layers, with the reason
  std::vector<std::string> notes;
  std::string dry_run;            // what the passes say they did, fused and near misses
};

/// For people: a page; `layers` limits the list of layers (worst first), 0 for all.
std::string report_text(const ConvertReport& report, size_t layers = 5);
/// For programs: one JSON object, keys as the fields above.
std::string report_json(const ConvertReport& report);

/// Outputs and layers alone, as `heed compare` prints them; `count` limits the layers, 0 for all.
std::string errors_text(const std::vector<OutputError>& outputs,
                        const std::vector<LayerError>& layers, size_t count);
std::string errors_json(const std::vector<OutputError>& outputs,
                        const std::vector<LayerError>& layers);

}  // namespace heed
