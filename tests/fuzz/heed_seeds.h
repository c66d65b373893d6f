#pragma once
// Sound .heed files, small, that together use every op and what else a file may hold.

#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace heed::test {

std::vector<FuzzBytes> heed_seeds();

}  // namespace heed::test
