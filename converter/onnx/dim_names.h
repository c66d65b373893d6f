#pragma once
// The names that a source gives to dimensions which it leaves open, and their sizes. Exporters also
// write small sums where a name stands: "past_sequence_length + 1", "frames // 2".

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace heed::onnx {

class DimNames {
 public:
  void learn(const std::string& name, int64_t size) { sizes_[name] = size; }

  /// The size of a name, or of a sum over names with + - * / // and parentheses, all of which are
  /// known. Divisions round down. Nothing where one is unknown, where the text is no sum, or where
  /// its value is no size.
  std::optional<int64_t> size_of(const std::string& text) const;

  /// The names in a text whose sizes one has yet to learn; the whole text where it is no sum.
  std::vector<std::string> unknown_in(const std::string& text) const;

 private:
  std::map<std::string, int64_t> sizes_;
};

}  // namespace heed::onnx
