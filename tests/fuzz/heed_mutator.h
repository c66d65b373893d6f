#pragma once
// Changes a .heed file where it says something: scalars of its tables, the lists of operands, ops
// and tensors, the bytes of constants. What comes out is a sound FlatBuffer, so that the checks
// behind the first one are met.

#include "tests/fuzz/fuzz_target.h"

namespace heed::test {

/// False where the bytes are no sound FlatBuffer.
bool mutate_heed(FuzzBytes& bytes, SeededRandom& random);

}  // namespace heed::test
