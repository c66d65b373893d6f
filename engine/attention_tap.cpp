// Attention maps on request: a slot for each (op, head) that a node fills while it runs anyway.

#include "engine/session.h"

namespace {

using heed::AttentionTapRequest;
using heed::SessionNode;

// Slots in use come first, so that a run looks at nothing else.
void remove_tap(SessionNode& node, int32_t head) {
  for (int32_t i = 0; i < node.tap_count; ++i) {
    if (node.taps[i].head != head) continue;
    node.taps[i] = node.taps[--node.tap_count];
    return;
  }
}

}  // namespace

heed_status heed_attention_tap(heed_session* session, const char* entry_point, int32_t op,
                               int32_t head, float* map, size_t bytes,
                               heed_diagnostic* diagnostic) {
  using heed::Status;
  const auto refuse = [&](Status status, const char* what, int64_t expected = 0,
                          int64_t actual = 0) {
    return static_cast<heed_status>(heed::fail(diagnostic, status, what, op, -1, expected, actual));
  };
  if (session == nullptr) return refuse(Status::invalid_argument, "there is no session");
  heed::SessionEntry* entry = heed::session_entry(*session, entry_point);
  if (entry == nullptr) return refuse(Status::not_found, "there is no such entry point");
  if (op < 0 || op >= entry->node_count || entry->nodes[op].tap_capacity == 0)
    return refuse(Status::not_found, "there is no attention op of that number");
  SessionNode& node = entry->nodes[op];
  const int32_t index = static_cast<int32_t>(entry - session->entries);
  const auto& options =
      heed::op_info(*session->model, index, op).options<heed::fb::AttentionOptions>();
  const int64_t heads = options.heads();
  if (head < -1 || head >= heads)
    return refuse(Status::not_found, "the attention op has no such head", heads - 1, head);
  remove_tap(node, head);
  if (map == nullptr) return HEED_OK;
  const int64_t values = int64_t{options.batch()} * (head < 0 ? heads : 1) *
                         int64_t{options.queries()} * int64_t{options.keys()};
  const int64_t needed = values * static_cast<int64_t>(sizeof(float));
  if (bytes < static_cast<uint64_t>(needed))
    return refuse(Status::memory_too_small, "the map is too small", needed,
                  static_cast<int64_t>(bytes));
  node.taps[node.tap_count++] = {op, head, map};
  return HEED_OK;
}

void heed_attention_clear(heed_session* session) {
  if (session == nullptr) return;
  const int32_t entries =
      static_cast<int32_t>(heed::model_table(*session->model).entry_points()->size());
  for (int32_t e = 0; e < entries; ++e)
    for (int32_t i = 0; i < session->entries[e].node_count; ++i)
      session->entries[e].nodes[i].tap_count = 0;
}
