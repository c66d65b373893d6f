#pragma once
// Where XNNPACK takes its memory from: while a scope is alive on a thread, from the scope's arena;
// otherwise (another user of the library in this process) from malloc.

#include "engine/arena.h"
#include "engine/status.h"

namespace heed {

/// Sets XNNPACK up, once in a process however often it is called. Status::unsupported where it does
/// not know the machine. May allocate.
Status initialize_xnnpack(heed_diagnostic* diagnostic);

/// Everything XNNPACK asks for on this thread comes from `arena` and stays there: nothing is given
/// back before the arena itself ends. Scopes do not nest.
class XnnpackScope {
 public:
  explicit XnnpackScope(Arena& arena);
  ~XnnpackScope();
  XnnpackScope(const XnnpackScope&) = delete;
  XnnpackScope& operator=(const XnnpackScope&) = delete;
};

}  // namespace heed
