#pragma once
// The one exception type of the converter. Thrown anywhere below convert(), caught at the top.

#include <stdexcept>
#include <string>

namespace heed {

/// what(): one or more complete sentences that name the file, node or tensor and say what to do.
class ConvertError : public std::runtime_error {
 public:
  explicit ConvertError(const std::string& sentence) : std::runtime_error(sentence) {}
};

}  // namespace heed
