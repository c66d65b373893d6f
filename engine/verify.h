#pragma once
// May this file be trusted? Three passes before anything of it is used:
//
//   structure  the header, the FlatBuffer (every offset, string and vector inside it), every
//              tensor's type, shape and place, every blob inside the blob area, within limits
//   meaning    every op: operands exist, are written before they are read and never overwritten,
//              and its NodeKind finds types, shapes and attributes right
//   plan       tensors that live at the same time lie apart, aligned, inside the arena and the
//              state area
//
// After that nodes and executor trust the file: whatever it says, they stay inside the memory that
// heed_memory_needed names. Time is near linear in the file's tables; memory is bounded by limits.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/heed.h"
#include "engine/status.h"
#include "engine/tensor.h"

namespace heed {

using Limits = heed_limits;

inline constexpr uint32_t kFormatVersion = 1003;  // 1000 * major + minor, of the files we write

/// Where the blob area of a file begins whose FlatBuffer has `size` bytes, prefix not counted.
constexpr size_t blob_area_begin(size_t size) {
  return round_up(sizeof(uint32_t) + size, kAlignment);
}

/// The memory of a tensor: `root` is the tensor itself or, for a view, the one it finally lies in.
struct TensorPlace {
  fb::Storage storage = fb::Storage::arena;  // of the root; never view
  int32_t root = -1;
  int32_t entry_point = -1;  // arena: the one whose ops use it, -1 if none does
  size_t offset = 0;         // from the start of the arena, of the state area or of the blobs
  size_t bytes = 0;
};

/// A file with its tensors decoded. Points into the file's bytes. tensors[i].data is set for
/// constants (and views into them) and null for all others.
struct DecodedModel {
  const fb::Model* table = nullptr;
  std::span<const std::byte> blobs;
  std::unique_ptr<TensorView[]> tensors;
  std::unique_ptr<TensorPlace[]> places;
  int32_t tensor_count = 0;
  int32_t op_count = 0;  // of all entry points together
};

/// All three passes. `file` is kAlignment-aligned and outlives `model`.
Status verify_file(std::span<const std::byte> file, const Limits& limits, DecodedModel* model,
                   heed_diagnostic* diagnostic);

/// The passes by themselves, in this order.
Status verify_structure(std::span<const std::byte> file, const Limits& limits, DecodedModel* model,
                        heed_diagnostic* diagnostic);
Status verify_meaning(DecodedModel* model, heed_diagnostic* diagnostic);
Status verify_plan(const DecodedModel& model, const Limits& limits, heed_diagnostic* diagnostic);

/// Part of the first pass: tensors of a FlatBuffer that is sound by itself. Default `blobs`
/// leave the data of constants null, for a model that is still being planned.
Status decode_tensors(const fb::Model* table, std::span<const std::byte> blobs,
                      const Limits& limits, DecodedModel* model, heed_diagnostic* diagnostic);

}  // namespace heed
