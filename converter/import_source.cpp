#include "converter/import_source.h"

#include <filesystem>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/fold_constants.h"
#include "converter/onnx/past_to_state.h"
#include "converter/onnx/source_file.h"
#include "converter/safetensors/checkpoint_folder.h"
#include "converter/tflite/tflite_file.h"
#include "converter/tflite/tflite_import.h"
#include "models/families/family.h"

namespace heed {
namespace {

/// What a file is, its bytes say: names are the user's.
ImportedSource import_file(const ConvertSource& source, const onnx::ImportOptions& options) {
  const bool is_tflite = tflite::is_tflite(onnx::SourceFile(source.path).bytes());
  onnx::ImportedModel model = is_tflite ? tflite::import_tflite_file(source.path, options)
                                        : onnx::import_onnx_file(source.path, options);
  ImportedSource result;
  result.entry_point = source.entry_point;
  result.graph = std::move(model.graph);
  result.notes = std::move(model.notes);
  result.names = std::move(model.names);
  result.files = {source.path};
  return result;
}

/// The graphs that Hugging Face's optimum exports side by side, by the entry points they become.
constexpr const char* kExported[][2] = {{"encode", "encoder_model.onnx"},
                                        {"start", "decoder_model.onnx"},
                                        {"decode_step", "decoder_with_past_model.onnx"},
                                        {"main", "model.onnx"}};

/// A folder of exported graphs: nothing in it is a checkpoint.
std::vector<ImportedSource> import_exported(const ConvertSource& source,
                                            onnx::ImportOptions options) {
  options.shared = true;
  std::vector<ImportedSource> results;
  for (const auto& [entry, file] : kExported) {
    const std::filesystem::path path = std::filesystem::path(source.path) / file;
    if (!std::filesystem::exists(path)) continue;
    results.push_back(import_file({path.string(), entry}, options));
    if (results.size() > 1) results[0].files.push_back(path.string());  // all are of one source
  }
  return results;
}

/// What a recipe makes of a checkpoint's folder.
std::vector<ImportedSource> import_folder(const ConvertSource& source,
                                          const onnx::ImportOptions& options) {
  if (!options.constants.empty())
    throw ConvertError("a folder's inputs are those of its recipe: none can be made a constant",
                       "folder '" + source.path + "'");
  safetensors::CheckpointFolder folder(source.path);
  families::Recipe recipe(folder, {options.dims, options.shapes});
  families::build_family(recipe);
  std::vector<ImportedSource> results;
  for (families::RecipeEntry& entry : recipe.entries) {
    ImportedSource result;
    result.entry_point = recipe.entries.size() == 1 ? source.entry_point : entry.name;
    result.graph = entry.net.finish();
    result.shared_arena = entry.shared_arena;
    result.graph.name = result.entry_point;
    for (const graph::ValueId input : result.graph.inputs)
      result.names.inputs.push_back(result.graph.value(input).name);
    result.names.dims = recipe.dims;
    if (results.empty()) result.notes = recipe.notes;
    result.files = folder.files_read();
    result.task = recipe.task;
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

std::vector<ImportedSource> import_source(const ConvertSource& source,
                                          const onnx::ImportOptions& options) {
  std::vector<ImportedSource> results;
  if (std::filesystem::is_directory(source.path)) {
    results = import_exported(source, options);
    if (results.empty()) results = import_folder(source, options);
  } else {
    results.push_back(import_file(source, options));
  }
  for (ImportedSource& result : results) {
    result.nodes = static_cast<int32_t>(result.graph.order().size());
    if (options.keep_past > 0) onnx::turn_past_into_state(result.graph, options.keep_past);
    graph::fold_constants(result.graph);
    if (options.keep_past > 0) onnx::keep_presents(result.graph, options.keep_past);
  }
  return results;
}

}  // namespace heed
