#pragma once
// The bytes of a .heed file and their way to the disk. engine/schema/README.md says how they lie.

#include <cstddef>
#include <string>
#include <vector>

#include "converter/file_model.h"

namespace heed {

/// Drops tensors that no op, entry point or view refers to, and renumbers the rest in order.
void drop_unused_tensors(FileModel& file);

/// Size-prefixed FlatBuffer, zeros up to a multiple of 64, blobs. Equal models give equal bytes.
std::vector<std::byte> serialize(FileModel& file);

/// A file that is written beside its final place and moved there when it is good. Whatever has not
/// been kept by then is removed. Where the file system can hold a file without a name (Linux), it
/// has none until it is kept: a process that is killed leaves nothing behind.
class FileBeside {
 public:
  /// Writes the bytes to a new file in the folder of `path`. Throws ConvertError.
  FileBeside(const std::string& path, const std::vector<std::byte>& bytes);
  ~FileBeside();
  FileBeside(const FileBeside&) = delete;
  FileBeside& operator=(const FileBeside&) = delete;

  /// A path by which this process can read it.
  const std::string& temporary() const { return temporary_; }
  /// Renames it to its final place, replacing what is there. Throws ConvertError.
  void keep();

 private:
  bool open_nameless();

  std::string path_, temporary_;
  std::string beside_;  // its name while it is no longer nameless and not yet in its place
  int file_ = -1;
};

}  // namespace heed
