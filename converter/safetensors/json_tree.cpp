#include "converter/safetensors/json_tree.h"

#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "converter/graph/convert_error.h"

namespace heed::safetensors {
namespace {

using families::JsonTree;
using nlohmann::json;

constexpr size_t kDepthMax = 64;

/// Builds the tree from the parser's events: no second tree of the library's.
class TreeBuilder : public nlohmann::json_sax<json> {
 public:
  explicit TreeBuilder(JsonTree* root) : open_{root} {}

  bool null() override { return place({nullptr}); }
  bool boolean(bool value) override { return place({value}); }
  bool number_integer(int64_t value) override { return place({value}); }
  bool number_unsigned(uint64_t value) override {
    if (value > static_cast<uint64_t>(INT64_MAX)) return place({static_cast<double>(value)});
    return place({static_cast<int64_t>(value)});
  }
  bool number_float(double value, const std::string& /*text*/) override { return place({value}); }
  bool string(std::string& value) override { return place({std::move(value)}); }
  bool binary(json::binary_t& /*value*/) override { return false; }
  bool start_object(size_t /*count*/) override { return descend({JsonTree::Object{}}); }
  bool key(std::string& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return ascend(); }
  bool start_array(size_t /*count*/) override { return descend({JsonTree::List{}}); }
  bool end_array() override { return ascend(); }
  bool parse_error(size_t at, const std::string& /*token*/,
                   const json::exception& /*error*/) override {
    fault = "is not valid JSON at byte " + std::to_string(at);
    return false;
  }

  std::string fault;

 private:
  /// Puts a value where the next one belongs; gives its place.
  JsonTree* put(JsonTree value) {
    JsonTree& parent = *open_.back();
    if (auto* object = std::get_if<JsonTree::Object>(&parent.value)) {
      object->emplace_back(std::move(key_), std::move(value));
      return &object->back().second;
    }
    if (auto* list = std::get_if<JsonTree::List>(&parent.value)) {
      list->push_back(std::move(value));
      return &list->back();
    }
    parent = std::move(value);
    return &parent;
  }
  bool place(JsonTree value) {
    put(std::move(value));
    return true;
  }
  // Only the innermost open value grows, so the places of the others stay.
  bool descend(JsonTree value) {
    if (open_.size() > kDepthMax) {
      fault = "is nested too deep";
      return false;
    }
    open_.push_back(put(std::move(value)));
    return true;
  }
  bool ascend() {
    open_.pop_back();
    return true;
  }

  std::vector<JsonTree*> open_;
  std::string key_;
};

}  // namespace

std::shared_ptr<const JsonTree> read_json(std::string_view text, const std::string& place) {
  auto tree = std::make_shared<JsonTree>();
  TreeBuilder builder(tree.get());
  if (!json::sax_parse(text.begin(), text.end(), &builder))
    throw ConvertError(builder.fault.empty() ? "is not valid JSON" : builder.fault, place);
  return tree;
}

}  // namespace heed::safetensors
