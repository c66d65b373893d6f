#pragma once
// The loop over an entry point's nodes.

#include "engine/session.h"

namespace heed {

/// Runs all nodes. bad_input when one of them met an id or index outside its table; the nodes after
/// it have not run. Allocates nothing and, but for the thread pool, neither locks nor waits.
Status run_entry(heed_session& session, const SessionEntry& entry, heed_diagnostic* diagnostic);

}  // namespace heed
