#include "engine/model.h"

#include <string.h>

#include <new>

#include "engine/operands.h"

namespace heed {

const fb::Model& model_table(const heed_model& model) { return *model.decoded.table; }

const fb::EntryPoint& entry_point_at(const heed_model& model, int32_t index) {
  return *model_table(model).entry_points()->Get(static_cast<uint32_t>(index));
}

int32_t find_entry_point(const heed_model& model, const char* name) {
  if (name == nullptr) return 0;
  const int32_t count = static_cast<int32_t>(model_table(model).entry_points()->size());
  for (int32_t i = 0; i < count; ++i)
    if (strcmp(text_of(entry_point_at(model, i).name()), name) == 0) return i;
  return -1;
}

OpInfo op_info(const heed_model& model, int32_t entry_point, int32_t op,
               const TensorView* tensors) {
  const fb::EntryPoint& entry = entry_point_at(model, entry_point);
  return {entry.ops()->Get(static_cast<uint32_t>(op)), op,
          tensors != nullptr ? tensors : model.decoded.tensors.get()};
}

void retain_model(const heed_model& model) {
  model.references.fetch_add(1, std::memory_order_relaxed);
}

void release_model(const heed_model* model) {
  if (model != nullptr && model->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete model;
}

namespace {

Status open(const char* path, std::span<const std::byte> bytes, const heed_limits& limits,
            heed_model** out, heed_diagnostic* diagnostic) {
  std::unique_ptr<heed_model> model(new (std::nothrow) heed_model);
  if (!model) return fail(diagnostic, Status::out_of_memory, "no memory for the model");
  if (path != nullptr) {
    const size_t most = limits.file_bytes < 0 ? 0 : static_cast<size_t>(limits.file_bytes);
    HEED_TRY(model->file.open(path, most, diagnostic));
    bytes = model->file.bytes();
  }
  model->bytes = bytes;
  HEED_TRY(verify_file(bytes, limits, &model->decoded, diagnostic));
  *out = model.release();
  return Status::ok;
}

heed_status open_model(const char* path, std::span<const std::byte> bytes,
                       const heed_limits* limits, heed_model** out, heed_diagnostic* diagnostic) {
  Status status = fail(diagnostic, Status::ok, "");
  if (out == nullptr || (path == nullptr && bytes.data() == nullptr)) {
    status = fail(diagnostic, Status::invalid_argument, "a pointer is null");
  } else {
    *out = nullptr;
    status =
        open(path, bytes, limits != nullptr ? *limits : heed_default_limits(), out, diagnostic);
  }
  if (status != Status::ok && path != nullptr) set_where(diagnostic, path);
  return static_cast<heed_status>(status);
}

}  // namespace
}  // namespace heed

const char* heed_version(void) { return "0.1.0"; }

heed_limits heed_default_limits(void) {
  heed_limits limits;
  limits.file_bytes = INT64_C(1) << (sizeof(void*) == 8 ? 36 : 30);
  limits.tensors = 65536;
  limits.ops = 65536;
  limits.entry_points = 64;
  limits.tensor_bytes = INT64_C(1) << (sizeof(void*) == 8 ? 33 : 29);
  limits.session_bytes = INT64_C(1) << (sizeof(void*) == 8 ? 34 : 29);
  return limits;
}

heed_status heed_model_open_file(const char* path, const heed_limits* limits, heed_model** model,
                                 heed_diagnostic* diagnostic) {
  return heed::open_model(path, {}, limits, model, diagnostic);
}

heed_status heed_model_open_buffer(const void* data, size_t bytes, const heed_limits* limits,
                                   heed_model** model, heed_diagnostic* diagnostic) {
  return heed::open_model(nullptr, {static_cast<const std::byte*>(data), bytes}, limits, model,
                          diagnostic);
}

void heed_model_close(heed_model* model) { heed::release_model(model); }
