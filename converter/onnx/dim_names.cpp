#include "converter/onnx/dim_names.h"

#include <cctype>

namespace heed::onnx {
namespace {

constexpr int64_t kSizeMax = int64_t{1} << 31;
constexpr int kSubgraphDepthMax = 32;

/// A recursive descent over one text. Values are nothing where a name is unknown.
class Sum {
 public:
  Sum(const std::string& text, const std::map<std::string, int64_t>& sizes)
      : text_(text), sizes_(sizes) {}

  /// False where the text is no sum.
  bool read() {
    value_ = terms(0);
    skip_spaces();
    return good_ && at_ == text_.size();
  }
  const std::optional<int64_t>& value() const { return value_; }
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  using Size = std::optional<int64_t>;

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(const char* sign) {
    skip_spaces();
    const std::string wanted = sign;
    if (text_.compare(at_, wanted.size(), wanted) != 0) return false;
    at_ += wanted.size();
    return true;
  }
  static bool in_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == ':';
  }

  Size checked(int64_t size) {
    if (size < -kSizeMax || size > kSizeMax) good_ = false;
    return size;
  }
  Size terms(int depth) {
    Size sum = factors(depth);
    while (good_) {
      const bool plus = take("+");
      if (!plus && !take("-")) break;
      const Size next = factors(depth);
      sum = sum && next && good_ ? checked(plus ? *sum + *next : *sum - *next) : Size();
    }
    return sum;
  }
  Size factors(int depth) {
    Size product = atom(depth);
    while (good_) {
      const bool divides = take("//") || take("/");
      if (!divides && !take("*")) break;
      const Size next = atom(depth);
      if (!product || !next || !good_) {
        product.reset();
      } else if (!divides) {
        product = checked(*product * *next);
      } else if (*next <= 0) {
        good_ = false;
      } else {
        product = (*product - (*product % *next + *next) % *next) / *next;
      }
    }
    return product;
  }
  Size atom(int depth) {
    if (depth > kSubgraphDepthMax) {
      good_ = false;
      return {};
    }
    if (take("(")) {
      const Size inner = terms(depth + 1);
      good_ = good_ && take(")");
      return inner;
    }
    skip_spaces();
    const size_t start = at_;
    while (at_ < text_.size() && in_name(text_[at_])) ++at_;
    const std::string word = text_.substr(start, at_ - start);
    if (word.empty()) good_ = false;
    if (word.empty() || std::isdigit(static_cast<unsigned char>(word[0])) == 0) {
      const auto known = sizes_.find(word);
      if (known != sizes_.end()) return known->second;
      unknown_.push_back(word);
      return {};
    }
    if (word.size() > 9 || word.find_first_not_of("0123456789") != std::string::npos) {
      good_ = false;
      return {};
    }
    return std::stoll(word);
  }

  const std::string& text_;
  const std::map<std::string, int64_t>& sizes_;
  size_t at_ = 0;
  bool good_ = true;
  Size value_;
  std::vector<std::string> unknown_;
};

}  // namespace

std::optional<int64_t> DimNames::size_of(const std::string& text) const {
  const auto known = sizes_.find(text);
  if (known != sizes_.end()) return known->second;
  Sum sum(text, sizes_);
  if (!sum.read() || !sum.value() || *sum.value() <= 0) return std::nullopt;
  return sum.value();
}

std::vector<std::string> DimNames::unknown_in(const std::string& text) const {
  if (text.empty() || sizes_.count(text) != 0) return {};
  Sum sum(text, sizes_);
  if (!sum.read() || (sum.unknown().empty() && !size_of(text))) return {text};
  return sum.unknown();
}

}  // namespace heed::onnx
