#include "engine/profile.h"

#include <chrono>

#include "engine/operands.h"
#include "engine/session.h"

namespace heed {
namespace {

// Every tensor that an op touches, once.
int64_t operand_bytes(const heed_model& model, const fb::Op& op) {
  constexpr int32_t kDistinctMax = 64;  // more are counted as often as they are named
  int32_t seen[kDistinctMax];
  int32_t count = 0;
  int64_t bytes = 0;
  const auto add = [&](int32_t tensor) {
    if (tensor < 0) return;
    for (int32_t i = 0; i < count; ++i)
      if (seen[i] == tensor) return;
    if (count < kDistinctMax) seen[count++] = tensor;
    bytes += static_cast<int64_t>(model.decoded.places[tensor].bytes);
  };
  for_each_read(op, add);
  for_each_write(op, add);
  return bytes;
}

}  // namespace

int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void count_call(heed_profile_row& row, int64_t ns) {
  row.min_ns = row.calls == 0 || ns < row.min_ns ? ns : row.min_ns;
  row.total_ns += ns;
  ++row.calls;
}

}  // namespace heed

heed_status heed_profile(heed_session* session, const char* entry_point, heed_profile_row* rows,
                         int32_t count) {
  using namespace heed;
  if (session == nullptr) return HEED_INVALID_ARGUMENT;
  SessionEntry* entry = session_entry(*session, entry_point);
  if (entry == nullptr) return HEED_NOT_FOUND;
  if (rows != nullptr && count < entry->node_count) return HEED_INVALID_ARGUMENT;
  entry->profile = rows;
  if (rows == nullptr) return HEED_OK;
  const int32_t index = static_cast<int32_t>(entry - session->entries);
  for (int32_t i = 0; i < entry->node_count; ++i) {
    const SessionNode& node = entry->nodes[i];
    const OpInfo info = op_info(*session->model, index, i, session->tensors);
    rows[i] = {};
    rows[i].name = text_of(info.op->name());
    rows[i].kind = node.kind->name;
    rows[i].variant = node.kind->variant != nullptr ? node.kind->variant(node.state) : "";
    rows[i].multiply_adds =
        node.kind->multiply_adds != nullptr ? node.kind->multiply_adds(info) : 0;
    rows[i].bytes = operand_bytes(*session->model, *info.op);
  }
  return HEED_OK;
}

heed_status heed_session_observe(heed_session* session, const char* entry_point,
                                 heed_observer observer, void* user) {
  if (session == nullptr) return HEED_INVALID_ARGUMENT;
  heed::SessionEntry* entry = heed::session_entry(*session, entry_point);
  if (entry == nullptr) return HEED_NOT_FOUND;
  entry->observer = observer;
  entry->observer_user = user;
  return HEED_OK;
}
