#include "converter/write/write_model.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include "converter/graph/convert_error.h"

namespace heed {
namespace {

/// Calls `visit` on every tensor index of the model that is not part of a tensor.
template <class Visit>
void each_reference(fb::ModelT& model, Visit visit) {
  for (auto& entry : model.entry_points) {
    for (int32_t& index : entry->inputs) visit(index);
    for (int32_t& index : entry->outputs) visit(index);
    for (auto& op : entry->ops) {
      each_read(*op, visit);
      for (int32_t& index : op->outputs) visit(index);
    }
  }
}

}  // namespace

void drop_unused_tensors(FileModel& file) {
  auto& tensors = file.model.tensors;
  std::vector<int32_t> number(tensors.size(), -1);
  each_reference(file.model, [&](int32_t& index) {
    for (int32_t i = index; i >= 0; i = tensors[static_cast<size_t>(i)]->parent)
      number[static_cast<size_t>(i)] = 0;
  });
  std::vector<std::unique_ptr<fb::TensorT>> kept;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (number[i] < 0) continue;
    number[i] = static_cast<int32_t>(kept.size());
    kept.push_back(std::move(tensors[i]));
  }
  tensors = std::move(kept);
  const auto renumber = [&](int32_t& index) {
    if (index >= 0) index = number[static_cast<size_t>(index)];
  };
  each_reference(file.model, renumber);
  for (auto& tensor : tensors) renumber(tensor->parent);
}

std::vector<std::byte> serialize(FileModel& file) {
  file.model.blob_bytes = file.blobs().size();
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  builder.FinishSizePrefixed(fb::Model::Pack(builder, &file.model), fb::ModelIdentifier());
  const size_t table_bytes = builder.GetSize();
  std::vector<std::byte> bytes(round_up(table_bytes, kAlignment));
  std::memcpy(bytes.data(), builder.GetBufferPointer(), table_bytes);
  bytes.insert(bytes.end(), file.blobs().begin(), file.blobs().end());
  return bytes;
}

bool FileBeside::open_nameless() {
#if defined(O_TMPFILE)
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  file_ = open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (file_ < 0) return false;
  temporary_ = "/proc/self/fd/" + std::to_string(file_);
  if (access(temporary_.c_str(), R_OK) == 0) return true;
  close(file_);  // there is no /proc
#endif
  return false;
}

FileBeside::FileBeside(const std::string& path, const std::vector<std::byte>& bytes)
    : path_(path), beside_(path + "." + std::to_string(std::random_device{}()) + ".part") {
  if (!open_nameless()) {
    temporary_ = beside_;
    file_ = open(beside_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  }
  if (file_ < 0) {
    throw ConvertError(std::string("cannot be written: ") + std::strerror(errno),
                       "file '" + path + "'", "Choose a folder that exists and may be written to");
  }
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = write(file_, bytes.data() + written, bytes.size() - written);
    if (count > 0) written += static_cast<size_t>(count);
    if (count < 0 && errno != EINTR) break;
  }
  if (written == bytes.size()) return;
  const std::string reason = std::strerror(errno);
  close(file_);
  if (temporary_ == beside_) std::remove(beside_.c_str());
  throw ConvertError("cannot be written in full: " + reason, "file '" + path + "'",
                     "See whether the disk is full");
}

FileBeside::~FileBeside() {
  if (!temporary_.empty() && temporary_ == beside_) std::remove(beside_.c_str());
  close(file_);
}

void FileBeside::keep() {
  std::error_code error;
  if (temporary_ != beside_) {
    // A new name is given in one step; one that is taken needs a second.
    if (linkat(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary_.clear();
      return;
    }
    if (linkat(AT_FDCWD, temporary_.c_str(), AT_FDCWD, beside_.c_str(), AT_SYMLINK_FOLLOW) != 0)
      error = {errno, std::generic_category()};
    else
      temporary_ = beside_;
  }
  if (!error) std::filesystem::rename(beside_, path_, error);
  if (error) {
    throw ConvertError("cannot be moved into place: " + error.message(), "file '" + path_ + "'",
                       "See whether something else of that name is in the way");
  }
  temporary_.clear();
}

}  // namespace heed
