// The C API of a session's daily life: where its tensors are, run, reset.

#include <string.h>

#include "engine/executor.h"
#include "engine/model_info.h"
#include "engine/operands.h"
#include "engine/session.h"

namespace heed {
namespace {

heed_status find_tensor(heed_session* session, const char* entry_point, const char* name,
                        const flatbuffers::Vector<int32_t>* (fb::EntryPoint::*list)() const,
                        heed_tensor* tensor) {
  if (session == nullptr || tensor == nullptr) return HEED_INVALID_ARGUMENT;
  const int32_t entry = find_entry_point(*session->model, entry_point);
  if (entry < 0) return HEED_NOT_FOUND;
  const auto* tensors = (entry_point_at(*session->model, entry).*list)();
  for (uint32_t i = 0; i < size_of(tensors); ++i) {
    const int32_t index = tensors->Get(i);
    if (name != nullptr && strcmp(session->tensors[index].name, name) != 0) continue;
    describe_tensor(*session->model, index, session->tensors[index].data, tensor);
    return HEED_OK;
  }
  return HEED_NOT_FOUND;
}

}  // namespace
}  // namespace heed

using namespace heed;

heed_status heed_session_input(heed_session* session, const char* entry_point, const char* name,
                               heed_tensor* tensor) {
  return find_tensor(session, entry_point, name, &fb::EntryPoint::inputs, tensor);
}

heed_status heed_session_output(heed_session* session, const char* entry_point, const char* name,
                                heed_tensor* tensor) {
  return find_tensor(session, entry_point, name, &fb::EntryPoint::outputs, tensor);
}

heed_status heed_session_tensor(heed_session* session, int32_t index, heed_tensor* tensor) {
  if (session == nullptr || tensor == nullptr || index < 0 ||
      index >= session->model->decoded.tensor_count)
    return HEED_INVALID_ARGUMENT;
  describe_tensor(*session->model, index, session->tensors[index].data, tensor);
  return HEED_OK;
}

heed_status heed_session_run(heed_session* session, const char* entry_point,
                             heed_diagnostic* diagnostic) {
  Status status = fail(diagnostic, Status::ok, "");
  if (session == nullptr) {
    status = fail(diagnostic, Status::invalid_argument, "there is no session");
  } else if (const SessionEntry* entry = session_entry(*session, entry_point)) {
    status = run_entry(*session, *entry, diagnostic);
  } else {
    status = fail(diagnostic, Status::not_found, "there is no such entry point");
    set_where(diagnostic, entry_point);
  }
  return static_cast<heed_status>(status);
}

void heed_session_reset(heed_session* session) {
  if (session == nullptr) return;
  const DecodedModel& decoded = session->model->decoded;
  const fb::Model& table = model_table(*session->model);
  memset(session->state, 0, static_cast<size_t>(table.state_bytes()));
  for (int32_t i = 0; i < decoded.tensor_count; ++i) {
    const fb::Tensor& tensor = *table.tensors()->Get(static_cast<uint32_t>(i));
    if (tensor.storage() != fb::Storage::state || tensor.blob() == nullptr) continue;
    memcpy(session->tensors[i].data, decoded.blobs.data() + tensor.blob()->offset(),
           decoded.places[i].bytes);
  }
}

const char* heed_session_isa(const heed_session* session) {
  return session == nullptr ? "" : isa_name(session->kernels.isa);
}

int32_t heed_session_threads(const heed_session* session) {
  return session == nullptr ? 0 : session->threads.count();
}

size_t heed_session_bytes(const heed_session* session) {
  return session == nullptr ? 0 : session->bytes;
}

heed_status heed_session_variant(const heed_session* session, const char* entry_point, int32_t op,
                                 const char** variant) {
  if (session == nullptr || variant == nullptr) return HEED_INVALID_ARGUMENT;
  const int32_t index = find_entry_point(*session->model, entry_point);
  if (index < 0) return HEED_NOT_FOUND;
  const SessionEntry& entry = session->entries[index];
  if (op < 0 || op >= entry.node_count) return HEED_INVALID_ARGUMENT;
  const SessionNode& node = entry.nodes[op];
  *variant = node.kind->variant != nullptr ? node.kind->variant(node.state) : "";
  return HEED_OK;
}
