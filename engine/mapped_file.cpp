#include "engine/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace heed {

MappedFile::~MappedFile() {
  if (size_ != 0) munmap(const_cast<std::byte*>(data_), size_);
}

Status MappedFile::open(const char* path, size_t bytes_max, heed_diagnostic* diagnostic) {
  const auto refuse = [&](Status status, const char* what, int64_t expected = 0,
                          int64_t actual = 0) {
    const Status result = fail(diagnostic, status, what, -1, -1, expected, actual);
    set_where(diagnostic, path);
    return result;
  };
  // Not to wait for a writer where the path is a pipe.
  const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return refuse(Status::io_error, errno == ENOENT   ? "the file does not exist"
                                    : errno == EACCES ? "the file may not be read"
                                                      : "the file cannot be opened");
  struct stat about;
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(file);
    return refuse(Status::io_error, "this is not a regular file");
  }
  if (about.st_size > static_cast<int64_t>(bytes_max)) {
    close(file);
    return refuse(Status::limit_exceeded, "the file is larger than the limit",
                  static_cast<int64_t>(bytes_max), about.st_size);
  }
  void* mapped = nullptr;
  if (about.st_size > 0) {
    mapped = mmap(nullptr, static_cast<size_t>(about.st_size), PROT_READ, MAP_SHARED, file, 0);
  }
  close(file);
  if (mapped == MAP_FAILED) return refuse(Status::io_error, "the file cannot be mapped");
  data_ = static_cast<const std::byte*>(mapped);
  size_ = static_cast<size_t>(about.st_size);
  return Status::ok;
}

}  // namespace heed
