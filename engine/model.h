#pragma once
// An opened model: verified bytes and what was decoded of them. Immutable but for its reference
// count; sessions hold references, so that closing a model never pulls memory from under them.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/heed.h"
#include "engine/mapped_file.h"
#include "engine/node.h"
#include "engine/verify.h"

struct heed_model {
  heed::MappedFile file;  // empty for a caller's buffer
  std::span<const std::byte> bytes;
  heed::DecodedModel decoded;
  mutable std::atomic<int32_t> references{1};
};

namespace heed {

/// The file's tables, for readers that want what the C API does not spell out: the task with its
/// front end or preprocessing constants. Every table and string in it may be null.
const fb::Model& model_table(const heed_model& model);

/// Index of an entry point by name, null for the first; -1 if there is none of that name.
int32_t find_entry_point(const heed_model& model, const char* name);
const fb::EntryPoint& entry_point_at(const heed_model& model, int32_t index);

/// An op with its tensors. `tensors` has one element for each of the model, null for those of the
/// model itself, whose arena and state tensors have no memory.
OpInfo op_info(const heed_model& model, int32_t entry_point, int32_t op,
               const TensorView* tensors = nullptr);

void retain_model(const heed_model& model);
void release_model(const heed_model* model);

}  // namespace heed
