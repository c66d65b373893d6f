#include "models/families/settings.h"

#include <algorithm>

#include "converter/graph/convert_error.h"

namespace heed::families {
namespace {

constexpr int64_t kSizeMax = int64_t{1} << 31;

double as_number(const JsonTree& tree, bool* ok) {
  *ok = true;
  if (const auto* whole = tree.integer()) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&tree.value)) return *real;
  *ok = false;
  return 0;
}

}  // namespace

const JsonTree* JsonTree::member(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->rbegin(), members->rend(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == members->rend() ? nullptr : &found->second;
}

Settings::Settings(std::shared_ptr<const JsonTree> tree, std::string place)
    : tree_(std::move(tree)), place_(std::move(place)) {}

const JsonTree* Settings::find(std::string_view key) const {
  const JsonTree* found = tree_ == nullptr ? nullptr : tree_->member(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

void Settings::refuse(std::string_view key, const std::string& what) const {
  throw ConvertError("'" + std::string(key) + "' " + what,
                     "file '" + (place_.empty() ? "config.json" : place_) + "'");
}

const JsonTree& Settings::need(std::string_view key) const {
  const JsonTree* found = find(key);
  if (found == nullptr) refuse(key, "is missing");
  return *found;
}

int64_t Settings::size(std::string_view key) const {
  const int64_t* whole = need(key).integer();
  if (whole == nullptr || *whole <= 0 || *whole >= kSizeMax)
    refuse(key, "must be a whole number above zero");
  return *whole;
}

int64_t Settings::size_or(std::string_view key, int64_t otherwise) const {
  return has(key) ? size(key) : otherwise;
}

std::vector<int64_t> Settings::sizes(std::string_view key, size_t count) const {
  if (need(key).list() == nullptr) return std::vector<int64_t>(count, size(key));
  std::vector<int64_t> all = whole_numbers(key);
  if (all.size() != count) refuse(key, "must hold " + std::to_string(count) + " numbers");
  for (const int64_t one : all)
    if (one <= 0 || one >= kSizeMax) refuse(key, "must hold whole numbers above zero");
  return all;
}

int64_t Settings::whole_or(std::string_view key, int64_t otherwise) const {
  if (!has(key)) return otherwise;
  const int64_t* whole = need(key).integer();
  if (whole == nullptr) refuse(key, "must be a whole number");
  return *whole;
}

double Settings::number(std::string_view key) const {
  bool ok = false;
  const double number = as_number(need(key), &ok);
  if (!ok) refuse(key, "must be a number");
  return number;
}

double Settings::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

bool Settings::flag_or(std::string_view key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const bool* flag = std::get_if<bool>(&need(key).value);
  if (flag == nullptr) refuse(key, "must be true or false");
  return *flag;
}

std::string Settings::text(std::string_view key) const {
  const std::string* text = need(key).text();
  if (text == nullptr) refuse(key, "must be a text");
  return *text;
}

std::string Settings::text_or(std::string_view key, const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}

std::vector<int64_t> Settings::whole_numbers(std::string_view key) const {
  std::vector<int64_t> all;
  if (!has(key)) return all;
  const JsonTree::List* list = need(key).list();
  if (list == nullptr) refuse(key, "must be a list");
  for (const JsonTree& one : *list) {
    if (one.integer() == nullptr) refuse(key, "must hold whole numbers");
    all.push_back(*one.integer());
  }
  return all;
}

std::vector<float> Settings::numbers(std::string_view key) const {
  std::vector<float> all;
  if (!has(key)) return all;
  const JsonTree::List* list = need(key).list();
  if (list == nullptr) refuse(key, "must be a list");
  for (const JsonTree& one : *list) {
    bool ok = false;
    all.push_back(static_cast<float>(as_number(one, &ok)));
    if (!ok) refuse(key, "must hold numbers");
  }
  return all;
}

std::vector<std::string> Settings::texts(std::string_view key) const {
  std::vector<std::string> all;
  if (!has(key)) return all;
  const JsonTree::List* list = need(key).list();
  if (list == nullptr) refuse(key, "must be a list");
  for (const JsonTree& one : *list) {
    if (one.text() == nullptr) refuse(key, "must hold texts");
    all.push_back(*one.text());
  }
  return all;
}

Settings Settings::within(std::string_view key) const {
  const JsonTree* found = find(key);
  if (found == nullptr) return {nullptr, place_};
  if (found->object() == nullptr) refuse(key, "must be an object");
  return {std::shared_ptr<const JsonTree>(tree_, found), place_};
}

std::vector<std::string> Settings::numbered_texts(std::string_view key) const {
  std::vector<std::string> all;
  if (!has(key)) return all;
  const JsonTree::Object* members = need(key).object();
  if (members == nullptr) refuse(key, "must be an object");
  all.resize(members->size());
  for (const auto& [number, text] : *members) {
    const bool digits = !number.empty() && number.size() < 9 &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stoul(number) >= all.size() || text.text() == nullptr)
      refuse(key, "must give a text to every number from 0 on");
    all[std::stoul(number)] = *text.text();
  }
  return all;
}

}  // namespace heed::families
