#include "converter/onnx/source_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "converter/graph/convert_error.h"

namespace heed::onnx {

SourceFile::SourceFile(const std::string& path) {
  const std::string where = "file '" + path + "'";
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw ConvertError(std::string("cannot be opened: ") + std::strerror(errno), where);
  struct stat info {};
  const bool known = fstat(file, &info) == 0;
  if (!known || !S_ISREG(info.st_mode) || info.st_size == 0) {
    close(file);
    throw ConvertError(known && S_ISREG(info.st_mode) ? "is empty" : "is not a regular file",
                       where);
  }
  size_ = static_cast<size_t>(info.st_size);
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = errno;
  close(file);
  if (mapped == MAP_FAILED) {
    throw ConvertError(std::string("cannot be mapped: ") + std::strerror(error), where);
  }
  data_ = static_cast<const char*>(mapped);
}

SourceFile::~SourceFile() { munmap(const_cast<char*>(data_), size_); }

}  // namespace heed::onnx
