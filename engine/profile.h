#pragma once
// Time per op, into rows that the caller owns (heed_profile in heed.h).

#include <cstdint>

#include "engine/heed.h"

namespace heed {

/// A clock that only goes forward.
int64_t now_ns();

void count_call(heed_profile_row& row, int64_t ns);

}  // namespace heed
