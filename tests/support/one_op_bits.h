#pragma once
// The promise of equal bits, checked on one op.

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "tests/support/one_op.h"

namespace heed::test {

/// Runs on every instruction set and with 1 and 2 threads; all bits must be those of the first.
inline void check_same_bits(OneOp& op, const std::vector<int32_t>& outputs) {
  std::vector<std::vector<std::byte>> first;
  for (const IsaName& isa : runnable_isas()) {
    for (const int32_t threads : {1, 2}) {
      INFO(isa.name << ", " << threads << " threads");
      REQUIRE(op.run(isa.set, threads) == "");
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i] < 0) continue;
        if (first.size() <= i) first.resize(i + 1);
        const auto bytes = op.bytes(outputs[i]);
        if (first[i].empty()) first[i] = bytes;
        REQUIRE(bytes == first[i]);
      }
    }
  }
}

}  // namespace heed::test
