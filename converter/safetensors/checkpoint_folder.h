#pragma once
// A folder as published on Hugging Face: config.json, other JSON, tokenizer files, and weights in
// model.safetensors or in several files that model.safetensors.index.json lists, or in the graphs
// that optimum exports of a model with encoder and decoder.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "converter/onnx/named_weights.h"
#include "converter/safetensors/safetensors_file.h"
#include "models/families/checkpoint.h"

namespace heed::safetensors {

class CheckpointFolder : public families::Checkpoint {
 public:
  /// Throws ConvertError where the folder holds no weights that can be read.
  explicit CheckpointFolder(const std::string& folder);

  families::Settings settings(const std::string& file) override;
  std::optional<std::string> file(const std::string& name) override;
  std::optional<graph::Shape> shape(const std::string& tensor) const override;
  graph::ConstantPtr tensor(const std::string& name) override;

  /// Paths of the files read so far, in order: what the result depends on.
  std::vector<std::string> files_read() const { return {read_.begin(), read_.end()}; }

 private:
  void open_weights();
  bool open_exported();
  void open_shards(const std::string& index_path);
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const StoredTensor*> tensors_;
  std::map<std::string, graph::ConstantPtr> made_;
  std::unique_ptr<onnx::NamedWeights> exported_;  // null: the weights are in files_
  std::set<std::string> read_;
};

}  // namespace heed::safetensors
