#include "converter/safetensors/checkpoint_folder.h"

#include <filesystem>

#include "converter/graph/convert_error.h"
#include "converter/safetensors/json_tree.h"
#include "models/whole_file.h"

namespace heed::safetensors {
namespace {

namespace fs = std::filesystem;

/// Names in an index come from strangers: a file of this folder, nothing else.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos;
}

}  // namespace

CheckpointFolder::CheckpointFolder(const std::string& folder) : folder_(folder) {
  while (folder_.size() > 1 && folder_.back() == '/') folder_.pop_back();
  std::error_code error;
  if (!fs::is_regular_file(path("config.json"), error))
    throw ConvertError("holds no config.json", "folder '" + folder_ + "'",
                       "Give the folder of a checkpoint as published on Hugging Face");
  open_weights();
}

void CheckpointFolder::open_weights() {
  const std::string whole = path("model.safetensors");
  if (fs::exists(whole)) {
    files_.push_back(std::make_unique<SafetensorsFile>(whole));
    for (const auto& [name, tensor] : files_.back()->tensors()) tensors_[name] = &tensor;
    read_.insert(whole);
  } else if (fs::exists(path("model.safetensors.index.json"))) {
    open_shards(path("model.safetensors.index.json"));
  } else if (!open_exported()) {
    const bool pickled = fs::exists(path("pytorch_model.bin"));
    throw ConvertError(
        std::string("holds no model.safetensors") + (pickled ? ", only pytorch_model.bin" : ""),
        "folder '" + folder_ + "'",
        pickled ? "Save it again with transformers' save_pretrained" : "");
  }
}

bool CheckpointFolder::open_exported() {
  const auto open = [&](const char* name, const char* prefix) {
    if (!fs::exists(path(name))) return false;
    exported_->add(path(name), prefix);
    read_.insert(path(name));
    return true;
  };
  exported_ = std::make_unique<onnx::NamedWeights>();
  const bool whole = open("encoder_model.onnx", "model.encoder.") &&
                     (open("decoder_model.onnx", "model.decoder.") ||
                      open("decoder_model_merged.onnx", "model.decoder."));
  if (whole) exported_->drop_copy("proj_out.weight", "model.decoder.embed_tokens.weight");
  return whole;
}

void CheckpointFolder::open_shards(const std::string& index_path) {
  const families::Settings index = settings("model.safetensors.index.json");
  const families::JsonTree* map = index.find("weight_map");
  if (map == nullptr || map->object() == nullptr) index.refuse("weight_map", "must be an object");
  std::map<std::string, const SafetensorsFile*> opened;
  for (const auto& [name, file] : *map->object()) {
    if (file.text() == nullptr || !is_plain_name(*file.text()))
      throw ConvertError("tensor '" + name + "' is said to lie outside the folder",
                         "file '" + index_path + "'");
    const SafetensorsFile*& shard = opened[*file.text()];
    if (shard == nullptr) {
      files_.push_back(std::make_unique<SafetensorsFile>(path(*file.text())));
      read_.insert(path(*file.text()));
      shard = files_.back().get();
    }
    const auto found = shard->tensors().find(name);
    if (found == shard->tensors().end())
      throw ConvertError("tensor '" + name + "' is not in '" + *file.text() + "'",
                         "file '" + index_path + "'");
    tensors_[name] = &found->second;
  }
}

families::Settings CheckpointFolder::settings(const std::string& name) {
  const std::optional<std::string> text = file(name);
  if (!text) return {nullptr, name};
  auto tree = read_json(*text, "file '" + path(name) + "'");
  if (tree->list() != nullptr) {
    auto whole = std::make_shared<families::JsonTree>();
    whole->value = families::JsonTree::Object{{"items", *tree}};
    tree = std::move(whole);
  }
  if (tree->object() == nullptr) throw ConvertError("is no object", "file '" + path(name) + "'");
  return {std::move(tree), name};
}

std::optional<std::string> CheckpointFolder::file(const std::string& name) {
  if (!fs::exists(path(name))) return std::nullopt;
  std::vector<uint8_t> bytes;
  std::string error;
  if (!read_whole_file(path(name), &bytes, &error)) throw ConvertError(error);
  read_.insert(path(name));
  return std::string(bytes.begin(), bytes.end());
}

std::optional<graph::Shape> CheckpointFolder::shape(const std::string& tensor) const {
  if (exported_ != nullptr) return exported_->shape(tensor);
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) return std::nullopt;
  return found->second->shape;
}

graph::ConstantPtr CheckpointFolder::tensor(const std::string& name) {
  if (exported_ != nullptr) return exported_->tensor(name);
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw ConvertError("tensor '" + name + "' is missing", "folder '" + folder_ + "'");
  graph::ConstantPtr& made = made_[name];
  if (made == nullptr) made = make_constant(name, *found->second);
  return made;
}

}  // namespace heed::safetensors
