#include "engine/executor.h"

#include "engine/profile.h"

namespace heed {
namespace {

void run_node(const SessionNode& node, RunContext& context) {
  context.taps = node.taps;
  context.tap_count = node.tap_count;
  node.kind->run(node.state, context);
}

Status run_fault(const heed_session& session, const SessionEntry& entry, int32_t op,
                 const RunFault& fault, heed_diagnostic* diagnostic) {
  const Status status = fail(diagnostic, Status::bad_input, fault.what, op, -1, 0, fault.value);
  const int32_t index = static_cast<int32_t>(&entry - session.entries);
  const fb::Op& source = *op_info(*session.model, index, op).op;
  if (source.name() != nullptr) set_where(diagnostic, source.name()->c_str());
  return status;
}

}  // namespace

Status run_entry(heed_session& session, const SessionEntry& entry, heed_diagnostic* diagnostic) {
  RunContext context{
      session.threads, session.shared, session.per_thread, session.per_thread_step, nullptr, 0, {}};
  const bool watched = entry.profile != nullptr || entry.observer != nullptr;
  for (int32_t i = 0; i < entry.node_count; ++i) {
    if (!watched) {
      run_node(entry.nodes[i], context);
    } else {
      const int64_t begin = now_ns();
      run_node(entry.nodes[i], context);
      if (entry.profile != nullptr) count_call(entry.profile[i], now_ns() - begin);
      if (entry.observer != nullptr) entry.observer(entry.observer_user, &session, i);
    }
    if (context.fault.what != nullptr)
      return run_fault(session, entry, i, context.fault, diagnostic);
  }
  return Status::ok;
}

}  // namespace heed
