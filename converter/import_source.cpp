#include "converter/import_source.h"

#include <filesystem>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/fold_constants.h"
#include "converter/onnx/past_to_state.h"
#include "converter/onnx/source_file.h"
#include "converter/safetensors/checkpoint_folder.h"
#include "converter/safetensors/json_tree.h"
#include "converter/tflite/tflite_file.h"
#include "converter/tflite/tflite_import.h"
#include "models/families/family.h"
#include "models/whole_file.h"

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

/// Whether the graphs of a folder are better built anew by the recipe of their family, which hears
/// sounds of every length: Whisper's, unless the user asks for them as they are.
bool has_recipe_for_exported(const ConvertSource& source, const onnx::ImportOptions& options) {
  const std::filesystem::path folder = source.path;
  if (options.keep_past > 0 || !std::filesystem::exists(folder / "config.json") ||
      !std::filesystem::exists(folder / "encoder_model.onnx"))
    return false;
  std::vector<uint8_t> bytes;
  std::string error;
  if (!read_whole_file((folder / "config.json").string(), &bytes, &error))
    throw ConvertError(error);
  const auto config =
      safetensors::read_json(std::string(bytes.begin(), bytes.end()), "file 'config.json'");
  const families::JsonTree* type = config->member("model_type");
  return type != nullptr && type->text() != nullptr && *type->text() == "whisper";
}

/// Runs the recipe. Of exported graphs, which may have lost names, it is not the only way.
void build_recipe(families::Recipe& recipe, bool exported) {
  try {
    families::build_family(recipe);
  } catch (const ConvertError& error) {
    if (!exported) throw;
    throw ConvertError(error.fault(), error.where(),
                       "With --keep-past N the exported graphs become entry points as they are");
  }
}

/// What a recipe makes of a checkpoint's folder.
std::vector<ImportedSource> import_folder(const ConvertSource& source,
                                          const onnx::ImportOptions& options, bool exported) {
  if (!options.constants.empty())
    throw ConvertError("a folder's inputs are those of its recipe: none can be made a constant",
                       "folder '" + source.path + "'");
  safetensors::CheckpointFolder folder(source.path);
  families::Recipe recipe(folder, {options.dims, options.shapes});
  build_recipe(recipe, exported);
  std::vector<ImportedSource> results;
  for (families::RecipeEntry& entry : recipe.entries) {
    ImportedSource result;
    // Tasks look for the names that a recipe gives; without one it is the user's.
    result.entry_point = entry.name == families::kOnlyEntry ? source.entry_point : entry.name;
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
    const bool anew = has_recipe_for_exported(source, options);
    if (!anew) results = import_exported(source, options);
    if (results.empty()) results = import_folder(source, options, anew);
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
