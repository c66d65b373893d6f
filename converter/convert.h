#pragma once
// From trained models to one .heed file: the whole pipeline behind one call.
//
//   import -> fold -> passes -> choose precision -> lower -> plan -> write -> reopen -> measure
//
// Host only. Errors are ConvertError; when one is thrown, no file has been left behind or touched.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "converter/convert_report.h"

namespace heed {

/// One source model and the name of the entry point it becomes.
struct ConvertSource {
  /// An ONNX or TensorFlow Lite file, or the folder of a published checkpoint.
  std::string path;
  std::string entry_point = "main";
};

/// Values of the inputs for one measured run: input name -> path of an .npy file.
using ConvertSample = std::map<std::string, std::string>;

struct ConvertOptions {
  std::string output;               // the .heed file; not written in a dry run
  /// Glob patterns (* and ?) over the names of nodes and of their outputs.
  std::vector<std::string> keep_float;
  /// Shapes for inputs whose dimensions the source leaves open: input name -> dimensions.
  std::map<std::string, std::vector<int64_t>> shapes;
  std::map<std::string, int64_t> dims;  // the same by the dimension's name in the source
  std::map<std::string, double> constants;  // inputs that become constants of one value
  int64_t keep_past = 0;            // tokens whose past a session keeps as state; 0: none
  std::vector<ConvertSample> samples;   // inputs to measure with; none: random ones
  uint64_t seed = 1;                // of the random inputs
  int32_t random_samples = 2;       // how many of them; 0: nothing is measured
  std::string task_json;            // the text of a task file (task_json.md), or empty
  std::string task_folder;          // where label files that it names are looked for
  std::string target;               // "": any machine
  uint32_t activation_group = 0;    // values per scale, a multiple of 16; 0: chosen per layer
  double min_snr_db = 0;            // layers stay float, worst first, until outputs reach it
  bool dry_run = false;             // report what would be fused; write nothing
};

/// Converts `sources` into one file with an entry point for each.
ConvertReport convert(const std::vector<ConvertSource>& sources, const ConvertOptions& options);

/// One source, entry point "main".
ConvertReport convert(const std::string& onnx_path, const ConvertOptions& options);

}  // namespace heed
