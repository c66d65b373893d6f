#pragma once
// JSON of a published checkpoint (config.json, preprocessor_config.json, tokenizer.json) as recipes
// read it: a tree, and a view of one of its objects whose every reader checks what it reads.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace heed::families {

struct JsonTree {
  using List = std::vector<JsonTree>;
  using Object = std::vector<std::pair<std::string, JsonTree>>;  // in the order of the file
  std::variant<std::nullptr_t, bool, int64_t, double, std::string, List, Object> value = nullptr;

  bool is_null() const { return value.index() == 0; }
  const std::string* text() const { return std::get_if<std::string>(&value); }
  const int64_t* integer() const { return std::get_if<int64_t>(&value); }
  const List* list() const { return std::get_if<List>(&value); }
  const Object* object() const { return std::get_if<Object>(&value); }
  /// A member of an object, the last of that name; null where this is none or it is absent.
  const JsonTree* member(std::string_view key) const;
};

/// Every reader throws ConvertError, naming file and key, where the value is not what it must be.
/// A member that is null counts as absent.
class Settings {
 public:
  Settings() = default;  // an empty object
  /// `place`: the file, for errors.
  Settings(std::shared_ptr<const JsonTree> tree, std::string place);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// Whole numbers above zero: widths, counts.
  int64_t size(std::string_view key) const;
  int64_t size_or(std::string_view key, int64_t otherwise) const;
  /// One number for all, or `count` of them ("image_size": 224 or [224, 224]).
  std::vector<int64_t> sizes(std::string_view key, size_t count) const;
  /// Any whole number: ids, flags that are numbers.
  int64_t whole_or(std::string_view key, int64_t otherwise) const;
  double number(std::string_view key) const;
  double number_or(std::string_view key, double otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string text(std::string_view key) const;
  std::string text_or(std::string_view key, const std::string& otherwise) const;
  std::vector<int64_t> whole_numbers(std::string_view key) const;  // [] where absent
  std::vector<float> numbers(std::string_view key) const;          // [] where absent
  std::vector<std::string> texts(std::string_view key) const;      // [] where absent
  /// An object within; an empty one where it is absent.
  Settings within(std::string_view key) const;
  /// {"0": "cat", "1": "dog"} as a list, as in "id2label"; [] where absent.
  std::vector<std::string> numbered_texts(std::string_view key) const;

  /// For what no reader above fits (tokenizer.json); null where absent.
  const JsonTree* find(std::string_view key) const;
  /// The object itself; null where the file is absent.
  const JsonTree* whole() const { return tree_.get(); }
  const std::string& place() const { return place_; }
  [[noreturn]] void refuse(std::string_view key, const std::string& what) const;

 private:
  const JsonTree& need(std::string_view key) const;

  std::shared_ptr<const JsonTree> tree_;
  std::string place_;
};

}  // namespace heed::families
