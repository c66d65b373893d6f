#pragma once
// A file that the converter reads, mapped into memory for as long as the object lives.

#include <string>
#include <string_view>

namespace heed::onnx {

class SourceFile {
 public:
  /// Throws ConvertError where the file cannot be opened, is no regular file or is empty.
  explicit SourceFile(const std::string& path);
  ~SourceFile();
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace heed::onnx
