#include "converter/file_model.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "converter/graph/convert_error.h"

namespace heed {
namespace {

/// FNV-1a over 8 bytes at a time: only to find candidates, which are then compared in full.
uint64_t hash_bytes(const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint64_t hash = 0xcbf29ce484222325u ^ size;
  while (size > 0) {
    uint64_t word = 0;
    const size_t n = size < sizeof word ? size : sizeof word;
    std::memcpy(&word, bytes, n);
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;
    bytes += n;
    size -= n;
  }
  return hash;
}

}  // namespace

int64_t element_count(const Dims& shape) {
  int64_t n = 1;
  for (const uint32_t d : shape) n *= d;
  return n;
}

fb::EpilogueT* epilogue_of(fb::OpT& op) {
  if (auto* linear = op.options.AsLinearOptions()) return linear->epilogue.get();
  if (auto* attention = op.options.AsAttentionOptions()) return attention->epilogue.get();
  if (auto* rows = op.options.AsRowsOptions()) return rows->epilogue.get();
  if (auto* embedding = op.options.AsEmbeddingOptions()) return embedding->epilogue.get();
  if (auto* depthwise = op.options.AsDepthwiseOptions()) return depthwise->epilogue.get();
  return nullptr;
}

int32_t FileModel::add(const std::string& name, DataType type, fb::Storage storage,
                       const Dims& shape) {
  auto tensor = std::make_unique<fb::TensorT>();
  tensor->name = name;
  tensor->dtype = type;
  tensor->storage = storage;
  tensor->shape = shape;
  model.tensors.push_back(std::move(tensor));
  return static_cast<int32_t>(model.tensors.size()) - 1;
}

int32_t FileModel::add_arena(const std::string& name, DataType type, const Dims& shape) {
  return add(name, type, fb::Storage::arena, shape);
}

int32_t FileModel::add_q8(const std::string& name, const Dims& shape, uint32_t group,
                          uint32_t halo) {
  const int32_t index = add(name, DataType::q8_rows, fb::Storage::arena, shape);
  tensor(index).group = group;
  tensor(index).halo = halo;
  return index;
}

int32_t FileModel::add_state(const std::string& name, DataType type, const Dims& shape,
                             uint32_t group) {
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const fb::TensorT& known = *model.tensors[i];
    if (known.storage != fb::Storage::state || known.name != name) continue;
    if (known.dtype != type || known.shape != shape || known.group != group)
      throw ConvertError("two entry points disagree about its type or shape",
                         "state '" + name + "'", "Keep all that reads it float or none of it");
    return static_cast<int32_t>(i);
  }
  const int32_t index = add(name, type, fb::Storage::state, shape);
  tensor(index).group = group;
  return index;
}

int32_t FileModel::add_constant(const std::string& name, DataType type, const Dims& shape,
                                const void* bytes, size_t size) {
  const int32_t index = add(name, type, fb::Storage::constant, shape);
  std::vector<fb::Blob>& candidates = known_[hash_bytes(bytes, size)];
  for (const fb::Blob& blob : candidates) {
    if (blob.size() == size && std::memcmp(blobs_.data() + blob.offset(), bytes, size) == 0) {
      tensor(index).blob = std::make_unique<fb::Blob>(blob);
      return index;
    }
  }
  blobs_.resize(round_up(blobs_.size(), kAlignment));
  const fb::Blob blob(blobs_.size(), size);
  const auto* begin = static_cast<const std::byte*>(bytes);
  blobs_.insert(blobs_.end(), begin, begin + size);
  candidates.push_back(blob);
  tensor(index).blob = std::make_unique<fb::Blob>(blob);
  return index;
}

bool FileModel::holds(const void* bytes, size_t size) const {
  const auto found = known_.find(hash_bytes(bytes, size));
  if (found == known_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const fb::Blob& blob) {
    return blob.size() == size && std::memcmp(blobs_.data() + blob.offset(), bytes, size) == 0;
  });
}

int32_t FileModel::add_view(const std::string& name, int32_t parent, uint64_t offset, DataType type,
                            const Dims& shape) {
  if (tensor(parent).storage == fb::Storage::view) {
    offset += tensor(parent).offset;
    parent = tensor(parent).parent;
  }
  const int32_t index = add(name, type, fb::Storage::view, shape);
  tensor(index).parent = parent;
  tensor(index).offset = offset;
  return index;
}

}  // namespace heed
