#pragma once
// A file mapped for reading, its pages shared with every process that maps it too.

#include <cstddef>
#include <span>

#include "engine/status.h"

namespace heed {

class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// io_error when the path cannot be opened or is no regular file; limit_exceeded beyond
  /// `bytes_max`. An empty file maps to no bytes.
  Status open(const char* path, size_t bytes_max, heed_diagnostic* diagnostic);

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace heed
