#pragma once
// Changes a protocol buffer field by field, and mends the lengths of the messages around it.

#include "tests/fuzz/fuzz_target.h"

namespace heed::test {

/// False where the bytes are no protocol buffer. Strings that are one of `words` become another now
/// and then.
bool mutate_wire(FuzzBytes& bytes, SeededRandom& random,
                 const std::vector<std::string>& words = {});

}  // namespace heed::test
