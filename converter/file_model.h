#pragma once
// A .heed file while it grows in the converter's memory: FlatBuffers' own object types for
// everything that is a table, and the blobs beside them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/tensor.h"

namespace heed {

using Dims = std::vector<uint32_t>;

/// Tensors, ops and blobs in the making. Tensor indices are those of the file.
class FileModel {
 public:
  fb::ModelT model;

  /// A tensor of the arena; the plan gives it its offset.
  int32_t add_arena(const std::string& name, DataType type, const Dims& shape);
  int32_t add_q8(const std::string& name, const Dims& shape, uint32_t group, uint32_t halo);
  /// A state tensor: the one of that name where an entry point has made it. Throws ConvertError
  /// where that is of another type or shape.
  int32_t add_state(const std::string& name, DataType type, const Dims& shape, uint32_t group);
  /// A constant with its bytes. Equal bytes are stored once, whatever their names.
  int32_t add_constant(const std::string& name, DataType type, const Dims& shape, const void* bytes,
                       size_t size);
  /// Whether a constant of these bytes is there.
  bool holds(const void* bytes, size_t size) const;
  /// A tensor that lies `offset` bytes into `parent`; of a view, into what that views.
  int32_t add_view(const std::string& name, int32_t parent, uint64_t offset, DataType type,
                   const Dims& shape);

  fb::TensorT& tensor(int32_t index) { return *model.tensors[static_cast<size_t>(index)]; }
  const fb::TensorT& tensor(int32_t index) const {
    return *model.tensors[static_cast<size_t>(index)];
  }

  /// The blob area as it stands in the file: every blob at a multiple of 64, zeros between.
  const std::vector<std::byte>& blobs() const { return blobs_; }

 private:
  int32_t add(const std::string& name, DataType type, fb::Storage storage, const Dims& shape);

  std::vector<std::byte> blobs_;
  std::unordered_map<uint64_t, std::vector<fb::Blob>> known_;  // by hash of the bytes
};

int64_t element_count(const Dims& shape);

/// The epilogue of an op that has one, else null.
fb::EpilogueT* epilogue_of(fb::OpT& op);

/// visit(index) for every tensor that an op reads, by its inputs and by its epilogue.
template <class Visit>
void each_read(fb::OpT& op, Visit visit) {
  for (int32_t& index : op.inputs) visit(index);
  if (fb::EpilogueT* epilogue = epilogue_of(op)) {
    visit(epilogue->residual);
    visit(epilogue->gamma);
    visit(epilogue->beta);
  }
}

}  // namespace heed
