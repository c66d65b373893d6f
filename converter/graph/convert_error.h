#pragma once
// The one exception of the converter. Thrown anywhere between reading a model and writing a .heed
// file, caught once at the top, where its text goes to the user.

#include <stdexcept>
#include <string>
#include <utility>

namespace heed {

class ConvertError : public std::runtime_error {
 public:
  /// fault: in one sentence. place: the file, or the node as in node_label(); may be empty.
  /// advice: what the user can do; may be empty. The exception's text is "place: fault. advice".
  explicit ConvertError(std::string fault, std::string place = "", std::string advice = "")
      : std::runtime_error(join(fault, place, advice)),
        fault_(std::move(fault)),
        where_(std::move(place)),
        remedy_(std::move(advice)) {}

  const std::string& fault() const { return fault_; }
  const std::string& where() const { return where_; }
  const std::string& remedy() const { return remedy_; }

 private:
  static std::string join(const std::string& fault, const std::string& place,
                          const std::string& advice) {
    std::string text = place;
    if (!place.empty()) text += ": ";
    text += fault;
    if (!advice.empty()) text += ". ";
    text += advice;
    // Names come out of files: nothing in them may steer a terminal or end the text early.
    for (char& c : text) {
      const auto code = static_cast<unsigned char>(c);
      if ((code < 0x20 && c != '\n') || code == 0x7f) c = '?';
    }
    return text;
  }

  std::string fault_, where_, remedy_;
};

}  // namespace heed
