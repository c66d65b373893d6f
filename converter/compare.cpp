#include "converter/compare.h"

#include <filesystem>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/import_source.h"
#include "converter/measure.h"
#include "converter/recipe_text.h"
#include "engine/heed.hpp"

namespace heed {

namespace {

void add_input_shapes(const Model& model, const char* entry_point,
                      std::map<std::string, graph::Shape>* shapes) {
  heed_tensor input{};
  for (int32_t i = 0; heed_model_input(model.get(), entry_point, i, &input) == HEED_OK; ++i)
    (*shapes)[input.name] = graph::Shape(input.dims, input.dims + input.rank);
}

/// As the conversion read the source. What that leaves open has the sizes that its entry point was
/// made with; a folder's, those of all.
onnx::ImportOptions import_options(const Model& model, const ConvertSource& source,
                                   const CompareOptions& given) {
  onnx::ImportOptions options = import_options_of(model.info().recipe);
  options.shared = true;
  for (const auto& [name, value] : given.constants) options.constants[name] = value;
  heed_entry_point entry{};
  if (!std::filesystem::is_directory(source.path))
    add_input_shapes(model, source.entry_point.c_str(), &options.shapes);
  else
    for (int32_t i = 0; heed_model_entry_point(model.get(), i, &entry) == HEED_OK; ++i)
      add_input_shapes(model, entry.name, &options.shapes);
  return options;
}

}  // namespace

CompareReport compare(const std::vector<ConvertSource>& sources, const std::string& heed_path,
                      const CompareOptions& options) {
  Model model;
  Diagnostic diagnostic;
  if (model.open(heed_path.c_str(), &diagnostic) != Status::ok)
    throw ConvertError(diagnostic.text(), "file '" + heed_path + "'");
  std::vector<ImportedSource> parts;
  for (const ConvertSource& source : sources)
    for (ImportedSource& part : import_source(source, import_options(model, source, options)))
      parts.push_back(std::move(part));
  CompareReport report;
  report.random_inputs = options.samples.empty();
  std::vector<MeasuredEntry> entries;
  for (const ImportedSource& part : parts) {
    std::string digest;
    entries.push_back({&part.graph, part.entry_point,
                       report.random_inputs
                           ? random_inputs(part.graph, options.seed, options.random_samples)
                           : load_inputs(part.graph, options.samples, &digest)});
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
