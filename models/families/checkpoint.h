#pragma once
// A published checkpoint as recipes see it: settings, texts and weights by name. What reads them
// from a folder is converter/safetensors.

#include <optional>
#include <string>
#include <vector>

#include "converter/graph/graph.h"
#include "models/families/settings.h"

namespace heed::families {

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  /// A JSON file of the folder as one object; an empty one where the file is absent. A file that
  /// is a list (modules.json) is the member "items".
  virtual Settings settings(const std::string& file) = 0;
  /// Any file of the folder; nothing where it is absent.
  virtual std::optional<std::string> file(const std::string& name) = 0;

  /// The shape of a tensor; nothing where there is none of that name.
  virtual std::optional<graph::Shape> shape(const std::string& tensor) const = 0;
  /// Its elements, the same object every time. Throws ConvertError where it is missing or broken.
  virtual graph::ConstantPtr tensor(const std::string& name) = 0;

  bool has(const std::string& tensor) const { return shape(tensor).has_value(); }
  /// The first of `prefixes` under which `tensor` is found: published checkpoints call a model
  /// "bert.encoder..." or "encoder...", depending on the class that wrote them. Throws ConvertError
  /// where it is under none.
  std::string prefix_of(const std::string& tensor, const std::vector<std::string>& prefixes) const;
};

}  // namespace heed::families
