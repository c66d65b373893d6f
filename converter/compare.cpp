#include "converter/compare.h"

#include "converter/graph/convert_error.h"
#include "converter/import_source.h"
#include "converter/measure.h"
#include "engine/heed.hpp"

namespace heed {

namespace {

/// What the source leaves open has the sizes that its entry point was made with.
onnx::ImportOptions import_options(const Model& model, const std::string& entry_point,
                                   const CompareOptions& given) {
  onnx::ImportOptions options;
  options.constants = given.constants;
  heed_tensor input{};
  for (int32_t i = 0;
       heed_model_input(model.get(), entry_point.c_str(), i, &input) == HEED_OK; ++i)
    options.shapes[input.name] = graph::Shape(input.dims, input.dims + input.rank);
  return options;
}

}  // namespace

CompareReport compare(const std::vector<ConvertSource>& sources, const std::string& heed_path,
                      const CompareOptions& options) {
  Model model;
  Diagnostic diagnostic;
  if (model.open(heed_path.c_str(), &diagnostic) != Status::ok)
    throw ConvertError(diagnostic.text(), "file '" + heed_path + "'");
  std::vector<graph::Graph> graphs;
  for (const ConvertSource& source : sources) {
    const onnx::ImportOptions sizes = import_options(model, source.entry_point, options);
    graphs.push_back(import_source(source, sizes).graph);
  }
  CompareReport report;
  report.random_inputs = options.samples.empty();
  std::vector<MeasuredEntry> entries;
  for (size_t i = 0; i < sources.size(); ++i) {
    std::string digest;
    entries.push_back({&graphs[i], sources[i].entry_point,
                       report.random_inputs
                           ? random_inputs(graphs[i], options.seed, options.random_samples)
                           : load_inputs(graphs[i], options.samples, &digest)});
    report.samples += static_cast<int32_t>(entries.back().samples.size());
  }
  Measurement measured = measure(model.get(), entries);
  report.outputs = std::move(measured.outputs);
  report.layers = std::move(measured.layers);
  return report;
}

std::string compare_text(const CompareReport& report, size_t layers) {
  return errors_text(report.outputs, report.layers, layers);
}

std::string compare_json(const CompareReport& report) {
  return errors_json(report.outputs, report.layers);
}

}  // namespace heed
